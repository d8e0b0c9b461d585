"""The referee half: plays the game, owns its values and exploitability. Never runs a program."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from problems.games import engine
from problems.games.layout import Game, arrange
from problems.games.tables import from_bytes
from problems.problem import CandidateError
from problems.regret.examine import against_sequence, altered


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
            the same policies); ``seed``, which shuffles infosets and actions. For trials: ``sequence``
            (see ``examine.against_sequence``, which then plays instead); ``scale``, ``shift`` of payoffs;
            ``relabel``, another order of infosets and actions.

    Returns:
        Equally long series, one number per checkpoint: ``iterations``; ``exploitability`` of the average
        policies (NashConv / players); ``last_iterate``, the same of the current ones; and ``value_1`` ..
        ``value_N``, each player's expected payoff under the average policies.

    Raises:
        CandidateError: the candidate failed; ``artifact`` holds the series up to there.
    """
    if "sequence" in settings:
        return against_sequence(candidate, settings)
    tables = altered(from_bytes(game), settings)
    table = _Table(candidate, arrange(tables, settings["seed"] + settings.get("relabel", 0)))
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
        self.candidate, self.game, self.players = candidate, game, game.players
        layout = game.layout
        shared = candidate.open(
            {"first": layout.first, "start": layout.start},
            [("exchange", "float64", (engine.exchange_size(game),)), ("wants", "float64", (1,))],
        )
        self.exchange, self.wants_opponents = shared["exchange"], bool(shared["wants"][0])
        self.state, self.average = engine.new_state(game), engine.new_state(game)
        self.values, self.choice = np.empty((self.players, 2)), np.empty(game.infosets, np.uint32)
        names = ["iterations", "exploitability", "last_iterate"]
        names += [f"value_{player + 1}" for player in range(self.players)]
        self.series: dict[str, list[float]] = {name: [] for name in names}

    def play(self, iterations: int, alternating: bool) -> None:
        for _ in range(iterations):
            if alternating:
                self._take_turns()
            else:
                self._learn_together()

    def _take_turns(self) -> None:
        learnt = -1
        for player in range(self.players):
            self._regrets(learnt, player)
            self.candidate.call(player)
            learnt = player
        self._accept(self.state, learnt, "next_policy")

    def _learn_together(self) -> None:
        for player in range(self.players):
            self._regrets(-1, player)
        for player in range(self.players):
            self.candidate.call(player)
            self._accept(self.state, player, "next_policy")

    def judge(self, iteration: int) -> None:
        """Exact exploitability of the average and of the current policies."""
        for player in range(self.players):
            self.candidate.call(self.players + player)
            self._accept(self.average, player, "average_policy")
        last_iterate = self._exploitability(self.state)
        exploitability = self._exploitability(self.average)
        numbers = [iteration, exploitability, last_iterate, *self.values[:, 1].tolist()]
        for name, number in zip(self.series, numbers, strict=True):
            self.series[name].append(number)

    def _exploitability(self, state: np.ndarray) -> float:
        engine.best_responses(self.game.integers, self.game.numbers, state, self.choice, self.values)
        return float((self.values[:, 0] - self.values[:, 1]).sum()) / self.players

    def _regrets(self, learnt: int, player: int) -> None:
        game = self.game
        refused = engine.step(game.integers, game.numbers, self.state, self.exchange, learnt, player)
        if refused >= 0:
            raise self._invalid(refused, "next_policy")
        if self.wants_opponents:
            engine.opponent_reaches(game.integers, game.numbers, self.state, self.exchange, player)

    def _accept(self, state: np.ndarray, player: int, method: str) -> None:
        refused = engine.accept(self.game.integers, self.game.numbers, state, self.exchange, player)
        if refused >= 0:
            raise self._invalid(refused, method)

    def _invalid(self, infoset: int, method: str) -> CandidateError:
        low, high = self.game.layout.first[infoset], self.game.layout.first[infoset + 1]
        return CandidateError("invalid", _fault(method, self.exchange[low:high].copy()))


def _fault(method: str, policy: np.ndarray) -> str:
    shown = ", ".join(f"{weight:.6g}" for weight in policy)
    if not np.isfinite(policy).all():
        return f"{method} returned a policy that is not finite at an infoset: [{shown}]"
    if (policy < 0.0).any():
        return f"{method} returned a negative probability at an infoset: [{shown}]"
    return f"{method} returned a policy that sums to {policy.sum():.9g}, not 1, at an infoset: [{shown}]"
