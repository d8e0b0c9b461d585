"""Racing inside one environment: a rule that is surely worse than random play is not trained to the end."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

ERROR = 0.05
"""Chance of stopping a rule that is no worse than random play, over all looks together (Bonferroni)."""


def hopeless(scores: np.ndarray, look: int, looks: int) -> bool:
    """One-sided t-test over seeds that the normalised score is below 0, the score of random play.

    Args:
        scores: [S]
        look: which judgement it is, from 1; the first is too early.
        looks: judgements of a whole run.
    """
    if look < 2 or len(scores) < 3:
        return False
    error = max(float(scores.std(ddof=1)) / len(scores) ** 0.5, 1e-9)
    return float(scores.mean()) / error < stdtrit(len(scores) - 1, ERROR / max(1, looks - 2))
