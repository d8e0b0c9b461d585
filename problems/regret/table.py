"""A game being played: what the rules are shown, what they answer, and how good that is."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Protocol

import numpy as np

from problems.games import batch, engine
from problems.games.layout import Game
from problems.problem import CandidateError


class Candidate(Protocol):
    """A rule at work. One that computes on a device, in this process, says so: ``device``."""

    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]: ...

    def call(self, operation: int) -> None: ...


class Table:
    """One game being played: its arrays, the private state, and what has been measured."""

    engine: ModuleType = engine

    def __init__(self, candidate: Candidate, game: Game) -> None:
        self._open(candidate, game, {}, ())
        self.state, self.average = engine.new_state(game), engine.new_state(game)

    def _open(self, candidate: Candidate, game: Game, setup: dict[str, Any], batch: tuple[int, ...]) -> None:
        self.candidate, self.game, self.players = candidate, game, game.players
        layout = game.layout
        shared = candidate.open(
            {"first": layout.first, "start": layout.start, **setup},
            [("exchange", "float64", (engine.exchange_size(game), *batch)), ("wants", "float64", (1,))],
        )
        self.exchange, self.wants_opponents = shared["exchange"], bool(shared["wants"][0])
        self.values, self.choice = np.empty((self.players, 2)), np.empty(game.infosets, np.uint32)
        names = ["iterations", "exploitability", "last_iterate"]
        names += [f"value_{player + 1}" for player in range(self.players)]
        self.series: dict[str, list[float]] = {name: [] for name in names}

    def artifact(self) -> dict[str, Any]:
        return self.series

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
        self._record(self.series, iteration, self.average, self.state)

    def _record(
        self, series: dict[str, list[float]], iteration: int, average: np.ndarray, state: np.ndarray
    ) -> None:
        last_iterate = self._exploitability(state)
        exploitability = self._exploitability(average)
        numbers = [iteration, exploitability, last_iterate, *self.values[:, 1].tolist()]
        for name, number in zip(series, numbers, strict=True):
            series[name].append(number)

    def _exploitability(self, state: np.ndarray) -> float:
        engine.best_responses(self.game.integers, self.game.numbers, state, self.choice, self.values)
        return float((self.values[:, 0] - self.values[:, 1]).sum()) / self.players

    def _regrets(self, learnt: int, player: int) -> None:
        game = self.game
        refused = self.engine.step(game.integers, game.numbers, self.state, self.exchange, learnt, player)
        if refused >= 0:
            raise self._invalid(refused, "next_policy")
        if self.wants_opponents:
            self.engine.opponent_reaches(game.integers, game.numbers, self.state, self.exchange, player)

    def _accept(self, state: np.ndarray, player: int, method: str) -> None:
        refused = self.engine.accept(self.game.integers, self.game.numbers, state, self._policies(), player)
        if refused >= 0:
            raise self._invalid(refused, method)

    def _invalid(self, infoset: int, method: str) -> CandidateError:
        low, high = self.game.layout.first[infoset], self.game.layout.first[infoset + 1]
        return CandidateError("invalid", _fault(method, self._proposed(low, high)))

    def _proposed(self, low: int, high: int) -> np.ndarray:
        return self._policies()[low:high].copy()

    def _policies(self) -> np.ndarray:
        """[S or more] what the rules have handed over."""
        return self.exchange


class Batch(Table):
    """One game played with several settings of the constants at once; a bad policy ends all of them."""

    engine = batch

    def __init__(self, candidate: Candidate, game: Game, constants: list[dict[str, float]]) -> None:
        self._open(candidate, game, {"constants": constants}, (len(constants),))
        self.state, self.average = (batch.new_state(game, len(constants)) for _ in range(2))
        self.of_each: list[dict[str, list[float]]] = [{name: [] for name in self.series} for _ in constants]

    def artifact(self) -> dict[str, Any]:
        return {"batch": self.of_each}

    def _proposed(self, low: int, high: int) -> np.ndarray:
        """That of the setting which is farthest from a policy."""
        policies = super()._proposed(low, high)
        sound = np.isfinite(policies).all(0) & (policies >= 0.0).all(0)
        return policies[:, np.argmax(np.where(sound, abs(policies.sum(0) - 1.0), np.inf))]

    def _record(
        self, series: dict[str, list[float]], iteration: int, average: np.ndarray, state: np.ndarray
    ) -> None:
        for b, own in enumerate(self.of_each):
            super()._record(own, iteration, average[:, b].copy(), state[:, b].copy())


def _fault(method: str, policy: np.ndarray) -> str:
    shown = ", ".join(f"{weight:.6g}" for weight in policy)
    if not np.isfinite(policy).all():
        return f"{method} returned a policy that is not finite at an infoset: [{shown}]"
    if (policy < 0.0).any():
        return f"{method} returned a negative probability at an infoset: [{shown}]"
    return f"{method} returned a policy that sums to {policy.sum():.9g}, not 1, at an infoset: [{shown}]"
