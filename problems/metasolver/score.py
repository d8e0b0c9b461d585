"""Series of exploitability -> score, higher is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from problems.problem import Score

CHECKPOINTS = (6, 10, 18, 32, 56, 100)
"""Quarter decades of epochs, as far as the populations of Li et al. 2026 grow: no single horizon decides."""
FLOOR = 1e-4
"""Exploitability below which a game counts as solved, so that the smallest does not drown the others."""


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    """Per game the mean over checkpoints of -log10 max(exploitability, FLOOR); over games, their mean.

    Beside it, the fitness of Li et al. 2026: the arithmetic mean over games of -exploitability at the end.
    """
    games = {game: _speed(artifact["exploitability"]) for game, artifact in artifacts.items()}
    final = {game: float(artifact["exploitability"][-1]) for game, artifact in artifacts.items()}
    details = {f"exploitability {game}": value for game, value in final.items()}
    details["fitness of Li et al. 2026"] = -math.fsum(final.values()) / len(final)
    return Score(math.fsum(games.values()) / len(games), games, details)


def _speed(exploitability: list[float]) -> float:
    return -math.fsum(math.log10(max(value, FLOOR)) for value in exploitability) / len(exploitability)
