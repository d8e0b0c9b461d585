"""Powers rounded correctly, as on the machine that made the published curves.

Today's C libraries err by up to 0.52 units in the last place, which is enough to change VAD-CFR's curves
in the sixth digit on four-player Kuhn and by ten percent on Leduc; older ones (glibc before 2.28) rounded
correctly, and with correct rounding the published digits come out. Pairs (high, low) are unevaluated sums
of two doubles (Dekker 1971), good to about 31 digits.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from functools import lru_cache

import numpy as np
from numba import njit

Pair = tuple[float, float]

_DIGITS = Context(prec=60)


@lru_cache(maxsize=64)
def power(base: float, exponent: float) -> float:
    """``base ** exponent`` for a positive base, correctly rounded."""
    return float(_DIGITS.power(Decimal(base), Decimal(exponent)))


def power_table(base: float, exponents: tuple[float, ...]) -> np.ndarray:
    """[1 + len(exponents), 2]: the logarithm of ``base``, then its powers, as pairs."""
    exact = [_DIGITS.ln(Decimal(base))] + [_DIGITS.power(Decimal(base), Decimal(x)) for x in exponents]
    return np.array([(float(x), float(_DIGITS.subtract(x, Decimal(float(x))))) for x in exact])


@njit(cache=True)
def power_near(table: np.ndarray, row: int, near: float, exponent: float) -> float:
    """``base ** exponent``, correctly rounded; ``near``, within 1, is the exponent of the table's ``row``."""
    step = _exp(_times((table[0, 0], table[0, 1]), _exact_sum(exponent, -near)))
    return _times((table[row, 0], table[row, 1]), step)[0]


@njit(cache=True)
def power_three_halves(x: float) -> float:
    """``x ** 1.5`` for x >= 0, correctly rounded."""
    if x == 0.0:
        return 0.0
    root = math.sqrt(x)
    high, low = _product(root, root)
    return _times((x, 0.0), (root, ((x - high) - low) / (2.0 * root)))[0]


@njit(cache=True)
def _exp(x: Pair) -> Pair:
    """The exponential series; meant for |x| < 8."""
    total = term = (1.0, 0.0)
    n = 1.0
    while abs(term[0]) > 1e-34:
        high, low = _times(term, x)
        quotient = high / n
        product, error = _product(quotient, n)
        term = _sum(quotient, ((high - product) - error + low) / n)
        high, low = _exact_sum(total[0], term[0])
        total = _sum(high, low + total[1] + term[1])
        n += 1.0
    return total


@njit(cache=True)
def _times(x: Pair, y: Pair) -> Pair:
    high, low = _product(x[0], y[0])
    return _sum(high, low + (x[0] * y[1] + x[1] * y[0]))


@njit(cache=True)
def _product(x: float, y: float) -> Pair:
    """The exact product (Veltkamp's splitting)."""
    split = 134217729.0 * x
    x1 = split - (split - x)
    split = 134217729.0 * y
    y1 = split - (split - y)
    x2, y2 = x - x1, y - y1
    high = x * y
    return high, ((x1 * y1 - high) + x1 * y2 + x2 * y1) + x2 * y2


@njit(cache=True)
def _exact_sum(x: float, y: float) -> Pair:
    """The exact sum."""
    high = x + y
    part = high - x
    return high, (x - (high - part)) + (y - part)


@njit(cache=True)
def _sum(x: float, y: float) -> Pair:
    """The exact sum for |x| >= |y|."""
    high = x + y
    return high, y - (high - x)
