"""Series of exploitability -> score, higher is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from problems.problem import Score

HORIZON = 1000
"""Iterations for which rules are searched."""
FLOOR = 1e-8
"""Exploitability below which a game counts as solved. It lies far above rounding (1e-14) and far below what
matters in games with payoffs near one, so that no rule gains by polishing a small game that is done."""


SCORED = 5
"""How many of the checkpoints count, the last ones: half a decade."""


def checkpoints(horizon: int = HORIZON) -> list[int]:
    """Nine iterations, the horizon last; for 1000: 32, 56, 100, 178, then 316, 422, 562, 750, 1000.

    Those that count are equal steps in log t over the last half decade. The last one alone would reward luck,
    for late iterates are chaotic; the whole run would ask who is quick on small games, and rank the rules
    otherwise than the exploitability that they are published for (docs/scores.md).
    """
    return [round(horizon * 10 ** (-k / 8)) for k in (12, 10, 8, 6, 4, 3, 2, 1, 0)]


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    """Per game the mean of -log10 max(exploitability, FLOOR) at the last checkpoints; over games, their mean.

    A difference of 0.3 is a factor of two. Beside it, the fitness of Li et al. 2026: the
    arithmetic mean over games of -exploitability at the last checkpoint.
    """
    games = {game: _late(artifact["exploitability"][-SCORED:]) for game, artifact in artifacts.items()}
    final = {game: float(artifact["exploitability"][-1]) for game, artifact in artifacts.items()}
    details = {f"exploitability {game}": value for game, value in final.items()}
    details["fitness of Li et al. 2026"] = -math.fsum(final.values()) / len(final)
    return Score(math.fsum(games.values()) / len(games), games, details)


def _late(exploitability: list[float]) -> float:
    return -math.fsum(math.log10(max(value, FLOOR)) for value in exploitability) / len(exploitability)
