"""Statistics over few seeds, by the definitions of Agarwal et al. (2021), the library rliable."""

from __future__ import annotations

import numpy as np

RESAMPLES = 1000


def interquartile_mean(x: np.ndarray) -> float:
    """Mean of the middle half, a quarter of the values (rounded down) cut at either end: scipy's
    trim_mean."""
    ordered = np.sort(np.asarray(x, float).ravel())
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def interval(scores: np.ndarray, seed: int, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the interquartile mean.

    Args:
        scores: [seeds, tasks]; each task's seeds are drawn anew, task by task (stratified).
    """
    chance = np.random.default_rng([seed, 5])
    seeds, tasks = scores.shape
    drawn = chance.integers(seeds, size=(RESAMPLES, seeds, tasks))
    sample = np.sort(np.take_along_axis(scores[None], drawn, 1).reshape(RESAMPLES, -1), 1)
    cut = sample.shape[1] // 4
    means = sample[:, cut : sample.shape[1] - cut].mean(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
