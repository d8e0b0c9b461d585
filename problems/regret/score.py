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


def checkpoints(horizon: int = HORIZON) -> list[int]:
    """Seven iterations a quarter decade apart, the horizon last; for 1000: 32, 56, 100, 178, 316, 562, 1000.

    Equal steps in log t weigh speed at every scale alike, while nobody can tune for one horizon; earlier
    the rules hardly differ yet.
    """
    return [round(horizon * 10 ** (-k / 4)) for k in range(6, -1, -1)]


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    """Per game the mean over checkpoints of -log10 max(exploitability, FLOOR); over games, their mean.

    A difference of 0.3 is a factor of two all along the run. Beside it, the fitness of Li et al. 2026: the
    arithmetic mean over games of -exploitability at the last checkpoint.
    """
    games = {game: _speed(artifact["exploitability"]) for game, artifact in artifacts.items()}
    final = {game: float(artifact["exploitability"][-1]) for game, artifact in artifacts.items()}
    details = {f"exploitability {game}": value for game, value in final.items()}
    details["fitness of Li et al. 2026"] = -math.fsum(final.values()) / len(final)
    return Score(math.fsum(games.values()) / len(games), games, details)


def _speed(exploitability: list[float]) -> float:
    return -math.fsum(math.log10(max(value, FLOOR)) for value in exploitability) / len(exploitability)
