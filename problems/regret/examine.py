"""Runs of the referee that test properties: a rule against sequences of rewards, and on altered games."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from problems.games import GameError
from problems.games.tables import Tables
from problems.problem import CandidateError

ACTIONS = (2, 3, 5, 8)
"""Sizes of the decisions."""
EACH = 16
"""Decisions of every size, each with a sequence of its own."""
TOLERANCE = 1e-6


class Candidate(Protocol):
    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]: ...

    def call(self, operation: int) -> None: ...


def against_sequence(candidate: Candidate, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Independent repeated decisions with rewards in [-1, 1] instead of a game.

    Args:
        settings: ``sequence``, which is ``random`` (independent rewards, one action slightly better),
            ``shifting`` (the best action changes half-way) or ``adversarial`` (the action that the rule likes
            least is rewarded, all others are punished); ``checkpoints``; ``seed``.

    Returns:
        ``iterations`` and ``regret``: the external regret max_a sum_t (u_t(a) - <u_t, sigma_t>) of the
        policies played, averaged over the decisions, at the checkpoints.
    """
    sizes = np.repeat(ACTIONS, EACH)
    first = np.concatenate(([0], np.cumsum(sizes)))
    entries, count = int(first[-1]), len(sizes)
    shared = candidate.open(
        {"first": first.astype(np.uint32), "start": np.array([0, count], np.uint32)},
        [("exchange", "float64", (3 * entries + count,)), ("wants", "float64", (1,))],
    )
    policy, regret, realisation = np.split(shared["exchange"][: 3 * entries], 3)
    shared["exchange"][3 * entries :] = 1.0
    dice = np.random.default_rng(settings["seed"])
    best = first[:-1] + dice.integers(0, sizes)
    played, total = np.repeat(1.0 / sizes, sizes), np.zeros(entries)
    series: dict[str, list[float]] = {"iterations": [], "regret": []}
    last = settings["checkpoints"][-1]
    for t in range(1, last + 1):
        if settings["sequence"] == "shifting" and t == last // 2:
            best = first[:-1] + (best - first[:-1] + 1) % sizes
        reward = _rewards(settings["sequence"], played, first, best, dice)
        expected = np.add.reduceat(reward * played, first[:-1])
        gained = reward - np.repeat(expected, sizes)
        total += gained
        regret[:], realisation[:] = gained, played
        candidate.call(0)
        played = _checked(policy, first)
        if t in settings["checkpoints"]:
            series["iterations"].append(float(t))
            series["regret"].append(float(np.maximum.reduceat(total, first[:-1]).mean()))
    return series


def _rewards(
    kind: str, played: np.ndarray, first: np.ndarray, best: np.ndarray, dice: np.random.Generator
) -> np.ndarray:
    if kind == "adversarial":
        low = np.repeat(np.minimum.reduceat(played, first[:-1]), np.diff(first))
        least = (played <= low) * dice.random(len(played))
        chosen = least == np.repeat(np.maximum.reduceat(least, first[:-1]), np.diff(first))
        return np.where(chosen, 1.0, -1.0)
    reward = dice.uniform(-1.0, 0.8, len(played))
    reward[best] += 0.2
    return reward


def _checked(policy: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A copy. Raises CandidateError for what is no policy."""
    played = policy.copy()
    sums = np.add.reduceat(played, first[:-1])
    if not (np.isfinite(played).all() and (played >= 0.0).all() and (abs(sums - 1.0) <= TOLERANCE).all()):
        raise CandidateError("invalid", "next_policy returned no policy against a sequence of rewards.")
    return played / np.repeat(sums, np.diff(first))


def altered(tables: Tables, settings: dict[str, Any]) -> Tables:
    """The game with every payoff p replaced by ``scale`` p + ``shift``.

    Raises:
        GameError: a shift of a game whose terminals do not all pay and come with equal chance: the tables
            do not hold what it would need.
    """
    scale, shift = settings.get("scale", 1.0), settings.get("shift", 0.0)
    payoffs = tables.terminal_payoffs * scale
    if shift:
        chance = tables.history_chance
        if chance.min() != chance.max() or not tables.terminal_payoffs.all():
            raise GameError(
                "Only a game that always pays, and whose chance moves come first, can be shifted."
            )
        payoffs = payoffs + shift * chance[0]
    return replace(tables, terminal_payoffs=payoffs)
