"""The referee half: PSRO with exact best responses and exact payoffs. Never runs a program."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from problems.games.layout import arrange
from problems.games.psro import Population
from problems.games.tables import from_bytes
from problems.problem import CandidateError

METHODS = ("train", "evaluate")
TRAIN, EVALUATE = 0, 1
"""Operations of the candidate."""
MOST_PAYOFFS = 16_000_000
"""Payoffs of all players together (128 MB): with four players a population ends at 44 strategies."""
TOLERANCE = 1e-6
"""How far from one a mixture may sum before it is refused."""
ROUNDING = 1e-12
"""How far before it is scaled."""


class Candidate(Protocol):
    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]: ...

    def call(self, operation: int) -> None: ...


def rollout(candidate: Candidate, game: bytes, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Policy-space response oracles (Lanctot et al. 2017): populations grow by one best response an epoch.

    In epoch e every player has e strategies, the first of them the uniform policy; the rule's training
    mixtures say whom the next best responses are trained against. Ties between best actions are played
    uniformly, and rounding decides what is one, so another order of summation is another run.

    Args:
        game: what ``compile.pack`` gave.
        settings: ``checkpoints``, ascending epochs in which the rule's evaluation mixtures are judged; the
            last one that ``MOST_PAYOFFS`` allows ends the run; ``seed``, which shuffles infosets and actions
            (0 leaves them in the order of discovery); ``trace``, for who would follow a run step by step.

    Returns:
        Equally long series, one number per checkpoint: ``epochs``; ``exploitability`` of the evaluation
        mixtures (NashConv / players); and ``value_1`` .. ``value_N``, each player's expected payoff. With
        ``trace`` also ``payoffs``, the last meta-game's, and the mixtures ``train`` and ``evaluate`` of all
        epochs, one after another.

    Raises:
        CandidateError: the candidate failed; ``artifact`` holds the series up to there.
    """
    arranged = arrange(from_bytes(game), settings["seed"] or None)
    limit = largest_population(arranged.players)
    checkpoints = [epoch for epoch in settings["checkpoints"] if epoch <= limit]
    population = Population(arranged, checkpoints[-1])
    return play(candidate, population, checkpoints, settings.get("trace", False))


def play(
    candidate: Candidate, population: Population, checkpoints: list[int], trace: bool = False
) -> dict[str, list[float]]:
    """The same with a population of one's own, as large as the last checkpoint."""
    players = population.players
    names = ["epochs", "exploitability", *(f"value_{player + 1}" for player in range(players))]
    series: dict[str, list[float]] = {name: [] for name in names}
    try:
        table = _Table(candidate, population, trace)
        for epoch in range(1, checkpoints[-1] + 1):
            table.show()
            if epoch in checkpoints:
                gains, values = population.gains(table.mixture(EVALUATE))
                numbers = [epoch, float(gains.sum()) / players, *values.tolist()]
                for name, number in zip(names, numbers, strict=True):
                    series[name].append(number)
            if epoch < checkpoints[-1]:
                population.grow(table.mixture(TRAIN))
        if table.own is not None:
            series |= {"payoffs": table.own.ravel().tolist(), **table.played}
    except CandidateError as error:
        error.artifact = series
        raise
    return series


def largest_population(players: int) -> int:
    """Strategies per player that ``MOST_PAYOFFS`` leaves room for."""
    size = 1
    while players * (size + 1) ** players <= MOST_PAYOFFS:
        size += 1
    return size


class _Table:
    """The population, and what the candidate sees of it; with ``trace``, a copy of both that it cannot write
    to."""

    def __init__(self, candidate: Candidate, population: Population, trace: bool) -> None:
        self.candidate, self.population = candidate, population
        players, capacity = population.players, population.capacity
        shared = candidate.open(
            {"players": players},
            [
                ("payoffs", "float64", (players,) + (capacity,) * players),
                ("mixtures", "float64", (players, capacity)),
                ("size", "int64", (1,)),
            ],
        )
        self.payoffs, self.mixtures, self.size = shared["payoffs"], shared["mixtures"], shared["size"]
        self.own = np.zeros_like(self.payoffs) if trace else None
        self.played: dict[str, list[float]] = {name: [] for name in METHODS}

    def show(self) -> None:
        """The payoffs of the newest strategies, written once and never read back."""
        self.population.fill(self.payoffs)
        if self.own is not None:
            self.population.fill(self.own)
        self.size[0] = self.population.size

    def mixture(self, operation: int) -> np.ndarray:
        """Realisation plans of the candidate's mixtures. Raises CandidateError."""
        self.candidate.call(operation)
        weights = self.mixtures[:, : self.population.size].copy()
        total = weights.sum(axis=1, keepdims=True)
        if not (
            np.isfinite(weights).all() and (weights >= 0.0).all() and (abs(total - 1.0) <= TOLERANCE).all()
        ):
            raise CandidateError("invalid", _fault(METHODS[operation], weights))
        rounded = abs(total - 1.0) < ROUNDING  # left alone, for exact ties hang on the last bit
        weights = np.where(rounded, weights, weights / total)
        if self.own is not None:
            self.played[METHODS[operation]] += weights.ravel().tolist()
        return self.population.mixture(weights)


def _fault(method: str, weights: np.ndarray) -> str:
    for player, own in enumerate(weights, 1):
        shown = ", ".join(f"{weight:.6g}" for weight in own[:8]) + (", ..." if len(own) > 8 else "")
        if not np.isfinite(own).all():
            return f"{method} returned a mixture that is not finite for player {player}: [{shown}]"
        if (own < 0.0).any():
            return f"{method} returned a negative weight for player {player}: [{shown}]"
        if not abs(own.sum() - 1.0) <= TOLERANCE:
            total = f"{own.sum():.9g}, not 1,"
            return f"{method} returned a mixture that sums to {total} for player {player}: [{shown}]"
    raise AssertionError("a valid mixture was refused")
