"""Compiled when the rule is imported, or loaded from what another worker compiled."""

from numba import njit


@njit("float64(float64)", cache=True)
def double(x):
    return x + x


def cache_hits():
    return sum(double.stats.cache_hits.values())
