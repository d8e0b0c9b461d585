"""The referee half: plays the game, owns its values and exploitability. Never runs a program."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from problems.games import engine
from problems.games.engine import Exchange, State
from problems.games.layout import Game, arrange
from problems.games.tables import from_bytes
from problems.problem import CandidateError


class Candidate(Protocol):
    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]: ...

    def call(self, operation: int) -> None: ...


def rollout(candidate: Candidate, game: bytes, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Self-play of one rule: every player runs it, and sees its own infosets alone.

    Args:
        game: what ``compile.pack`` gave.
        settings: ``checkpoints``, ascending iterations at which the average policy is judged, the last one
            ends the run; ``alternating``, whether players learn one after another (else all at once, from
            the same policies); ``seed``, which shuffles infosets and actions.

    Returns:
        Equally long series, one number per checkpoint: ``iterations``; ``exploitability`` of the average
        policies (NashConv / players); ``last_iterate``, the same of the current ones; and ``value_1`` ..
        ``value_N``, each player's expected payoff under the average policies.

    Raises:
        CandidateError: the candidate failed; ``artifact`` holds the series up to there.
    """
    table = _Table(candidate, arrange(from_bytes(game), settings["seed"]))
    done = 0
    for checkpoint in settings["checkpoints"]:
        try:
            table.play(checkpoint - done, settings["alternating"])
            done = checkpoint
            table.judge(done)
        except CandidateError as error:
            error.artifact = table.series
            raise
    return table.series


class _Table:
    """One game being played: its arrays, the private state, and what has been measured."""

    def __init__(self, candidate: Candidate, game: Game) -> None:
        layout = game.layout
        self.candidate, self.game, self.layout = candidate, game, layout
        self.players = layout.players
        shared = candidate.open(
            {"first": layout.first, "start": [int(i) for i in layout.start]},
            [
                ("policy", "float64", (game.entries,)),
                ("regret", "float64", (game.entries,)),
                ("reach", "float64", (game.infosets,)),
                ("opponent_reach", "float64", (game.infosets,)),
                ("wants", "float64", (1,)),
            ],
        )
        self.exchange = Exchange(*[shared[name] for name in Exchange._fields])
        self.wants_opponents = bool(shared["wants"][0])
        self.state, self.average = engine.new_state(game), engine.new_state(game)
        self.values, self.gains = np.zeros(self.players), np.zeros(self.players)
        self.choice = np.zeros(game.infosets, np.uint32)
        names = ["iterations", "exploitability", "last_iterate"]
        names += [f"value_{player + 1}" for player in range(self.players)]
        self.series: dict[str, list[float]] = {name: [] for name in names}

    def play(self, iterations: int, alternating: bool) -> None:
        for _ in range(iterations):
            if alternating:
                for player in range(self.players):
                    self._regrets(player)
                    self.candidate.call(player)
                    self._accept(self.state, player, "next_policy")
            else:
                for player in range(self.players):
                    self._regrets(player)
                for player in range(self.players):
                    self.candidate.call(player)
                for player in range(self.players):
                    self._accept(self.state, player, "next_policy")

    def judge(self, iteration: int) -> None:
        """Exact exploitability of the average and of the current policies."""
        for player in range(self.players):
            self.candidate.call(self.players + player)
            self._accept(self.average, player, "average_policy")
        last_iterate = self._exploitability(self.state)
        exploitability = self._exploitability(self.average)
        for name, number in zip(
            self.series, [iteration, exploitability, last_iterate, *self.values.tolist()], strict=True
        ):
            self.series[name].append(number)

    def _exploitability(self, state: State) -> float:
        engine.nash_conv(self.layout, state, self.choice, self.values, self.gains)
        return float(self.gains.sum()) / self.players

    def _regrets(self, player: int) -> None:
        engine.regrets(self.layout, self.state, self.exchange, player)
        if self.wants_opponents:
            engine.opponent_reaches(self.layout, self.state, self.exchange, player)

    def _accept(self, state: State, player: int, method: str) -> None:
        refused = engine.accept(self.layout, state, self.exchange.policy, player)
        if refused >= 0:
            low, high = self.layout.first[refused], self.layout.first[refused + 1]
            raise CandidateError("invalid", _fault(method, self.exchange.policy[low:high].copy()))


def _fault(method: str, policy: np.ndarray) -> str:
    shown = ", ".join(f"{weight:.6g}" for weight in policy)
    if not np.isfinite(policy).all():
        return f"{method} returned a policy that is not finite at an infoset: [{shown}]"
    if (policy < 0.0).any():
        return f"{method} returned a negative probability at an infoset: [{shown}]"
    return f"{method} returned a policy that sums to {policy.sum():.9g}, not 1, at an infoset: [{shown}]"
