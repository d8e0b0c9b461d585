"""Series of normalised returns -> score, higher is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from problems.learning.statistics import interquartile_mean, interval
from problems.problem import Score

WORST, BEST = -1.0, 2.0
"""Bounds of a seed's score, so that one environment cannot drown the others."""


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    """Per environment: each seed's mean over judgements of the normalised return, then the interquartile mean
    over seeds; over environments, their mean. A run that racing ended counts as it was last.

    Beside it, over seeds and environments together at the end: interquartile mean and 95 % bootstrap
    interval.
    """
    seeds = {name: _per_seed(artifact) for name, artifact in artifacts.items()}
    games = {name: interquartile_mean(table.mean(1)) for name, table in seeds.items()}
    fewest = min(len(table) for table in seeds.values())
    final = np.stack([table[:fewest, -1] for table in seeds.values()], 1)
    low, high = interval(final, 0)
    details = {f"final {name}": interquartile_mean(table[:, -1]) for name, table in seeds.items()}
    details |= {
        "interquartile mean at the end": interquartile_mean(final),
        "95 % interval, low": low,
        "95 % interval, high": high,
        "environment steps": math.fsum(a["planned"][0] - a["spared"][0] for a in artifacts.values()),
        "environment steps saved by racing": math.fsum(a["spared"][0] for a in artifacts.values()),
    }
    return Score(math.fsum(games.values()) / len(games), games, details)


def _per_seed(artifact: Mapping[str, Any]) -> np.ndarray:
    """[S, judgements]"""
    rows = [values for name, values in artifact.items() if name.startswith("seed_")]
    return np.clip(np.array(rows, float), WORST, BEST)
