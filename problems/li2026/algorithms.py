"""The paper's nine regret minimisers, each as one update of everything after a player's traversal.

All arrays are [sequences]. ``r`` is what the traversal added, ``R`` the accumulated regret, t the
iteration from 1. In the paper's loop an update sees *every* infoset, with r = 0 at those that were not
traversed; in OpenSpiel's solvers (``in_place``) the traversal adds to R itself and only the traversing
player's infosets are discounted. That difference is the subject of ``docs/reproduction.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from problems.li2026.rounding import power, power_near, power_table, power_three_halves
from problems.li2026.sweep import Averaging

WARM_UP = 500
"""VAD-CFR averages from this iteration on."""


@dataclass
class State:
    """What an algorithm remembers."""

    first: np.ndarray
    """[infosets + 1]: first sequence of each infoset."""
    regrets: np.ndarray
    policy: np.ndarray
    average: np.ndarray
    memory: np.ndarray
    """The algorithm's own: [sequences] for AOD-CFR's moving averages, the first entry for VAD-CFR's."""


@dataclass(frozen=True)
class Algorithm:
    update: Callable[[State, np.ndarray, int, np.ndarray], None]
    """(state, r, t, own): new regrets and policy; ``own`` [sequences] marks the traversing player's."""
    averaging: Callable[[int], Averaging]
    in_place: bool
    """OpenSpiel's solver rather than the paper's loop: r is the state's regrets themselves."""


@njit(cache=True)
def match(weights: np.ndarray, first: np.ndarray, policy: np.ndarray, floor: float = 0.0) -> None:
    """Set ``policy`` proportional to the positive weights; uniform where they sum to at most ``floor``."""
    for i in range(len(first) - 1):
        total = 0.0
        for s in range(first[i], first[i + 1]):
            total += max(0.0, weights[s])
        for s in range(first[i], first[i + 1]):
            policy[s] = max(0.0, weights[s]) / total if total > floor else 1.0 / (first[i + 1] - first[i])


def discount(t: float, exponent: float) -> float:
    """``t^x / (t^x + 1)``."""
    return power(t, exponent) / (power(t, exponent) + 1.0)


def cfr(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """CFR (Zinkevich et al. 2007)."""
    match(state.regrets, state.first, state.policy)


def cfr_plus(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """CFR+ (Tammelin 2014)."""
    np.maximum(state.regrets, 0.0, out=state.regrets)
    match(state.regrets, state.first, state.policy)


def discounted(alpha: float, beta: float) -> Callable[[State, np.ndarray, int, np.ndarray], None]:
    """DCFR (Brown and Sandholm 2019) as OpenSpiel does it: add, then discount by the sign of the sum."""

    def update(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
        factor = np.where(state.regrets >= 0.0, discount(t, alpha), discount(t, beta))
        np.multiply(state.regrets, factor, out=state.regrets, where=own)
        match(state.regrets, state.first, state.policy)

    return update


def pcfr_plus(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """PCFR+ (Farina, Kroer and Sandholm 2021): the last regret predicts the next."""
    state.regrets[:] = np.maximum(state.regrets + r, 0.0)
    match(state.regrets + r, state.first, state.policy)


def dpcfr_plus(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """DPCFR+ or PDCFR+ (Xu et al. 2024), alpha 2.3: discount, then add.

    ``R t^x / (t^x + 1)`` from left to right: with the quotient first, Leduc's curve is lost at update 140.
    """
    past, now = power(t - 1, 2.3), power(t, 2.3)
    state.regrets[:] = np.maximum(state.regrets * past / (past + 1.0) + r, 0.0)
    match(state.regrets * now / (now + 1.0) + r, state.first, state.policy)


def vad_cfr(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """VAD-CFR (Listing 5)."""
    weights = np.empty_like(r)
    _vad(state.first, r, state.regrets, weights, state.memory, t, power_table(t + 1.0, (1.5, -0.1)))
    match(weights, state.first, state.policy)


@njit(cache=True)
def _vad(
    first: np.ndarray,
    r: np.ndarray,
    regrets: np.ndarray,
    weights: np.ndarray,
    memory: np.ndarray,
    t: int,
    powers: np.ndarray,
) -> None:
    """One moving average of regret magnitudes, ``memory[0]``, runs over all infosets in order, because one
    object of each class serves all infosets in the paper (two objects, but they see the same numbers)."""
    for i in range(len(first) - 1):
        memory[0] = 0.1 * np.max(np.abs(r[first[i] : first[i + 1]])) + 0.9 * memory[0]
        volatility = min(1.0, memory[0] / 2.0)
        grown = power_near(powers, 1, 1.5, 1.5 - 0.5 * volatility)
        shrunk = power_near(powers, 2, -0.1, -0.1 - 0.5 * volatility)
        keep_positive, keep_negative = grown / (grown + 1.0), shrunk / (shrunk + 1.0)
        optimism = 1.0 / (1.0 + t / 100.0) * (1.0 - 0.5 * volatility)
        for s in range(first[i], first[i + 1]):
            boosted = 1.1 * r[s] if r[s] > 0.0 else r[s]
            kept = (keep_positive if regrets[s] >= 0.0 else keep_negative) * regrets[s]
            regrets[s] = max(-20.0, kept + boosted)
            kept = (keep_positive if regrets[s] >= 0.0 else keep_negative) * regrets[s]
            weights[s] = power_three_halves(max(0.0, kept + optimism * boosted))


def aod_cfr(state: State, r: np.ndarray, t: int, own: np.ndarray) -> None:
    """AOD-CFR (Listing 7), with its uniform policy wherever the squared weights sum to 1e-12 or less."""
    progress = min(1.0, t / 500.0)
    old = state.regrets
    scale = np.ones_like(r)
    for sign, gain, loss in ((1.0, 1.1, 0.9), (-1.0, 0.7, 1.2)):
        scale[(sign * old > 1e-9) & (r > 1e-9)] = gain
        scale[(sign * old > 1e-9) & (r < -1e-9)] = loss
    positive, negative = discount(t + 1.0, 1.0 + 1.5 * progress), discount(t + 1.0, 0.5 - 0.5 * progress)
    state.regrets[:] = old * np.where(old > 0.0, positive, negative) + r * scale
    trend = state.regrets - state.memory
    match(np.maximum(0.0, state.regrets + 0.5 * trend) ** 2, state.first, state.policy, 1e-12)
    state.memory[:] = 0.1 * state.regrets + 0.9 * state.memory


def aod_averaging(t: int) -> Averaging:
    weight = power(t + 1.0, 1.0 + 4.0 * min(1.0, t / 500.0))
    return weight / (weight + 1.0), weight, False


ALGORITHMS = {
    "CFR": Algorithm(cfr, lambda t: (1.0, 1.0, False), in_place=True),
    "CFR+": Algorithm(cfr_plus, lambda t: (1.0, float(t), False), in_place=True),
    "LCFR": Algorithm(discounted(1.0, 1.0), lambda t: (1.0, float(t), False), in_place=True),
    "DCFR": Algorithm(discounted(1.5, 0.0), lambda t: (1.0, t**2.0, False), in_place=True),
    "PCFR+": Algorithm(pcfr_plus, lambda t: (1.0, t**2.0, False), in_place=False),
    "DPCFR+": Algorithm(dpcfr_plus, lambda t: (((t - 1) / t) ** 5.0, 1.0, False), in_place=False),
    "HS-PCFR+(30)": Algorithm(
        pcfr_plus, lambda t: (((t - 1) / t) ** (30.0 - 5.0 * t / 1000.0), 1.0, False), in_place=False
    ),
    "VAD-CFR": Algorithm(
        vad_cfr, lambda t: (1.0, t + 1.0 if t >= WARM_UP else 0.0, t >= WARM_UP), in_place=False
    ),
    "AOD-CFR": Algorithm(aod_cfr, aod_averaging, in_place=False),
}
