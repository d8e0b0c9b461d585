"""Populations of strategies in sequence form: exact best responses, mixtures and payoff tensors.

A strategy is its realisation plan, so that a mixture is a weighted sum, a payoff is a product, and a best
response is one gradient and one sweep. Compiled by Numba; one thread, float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from problems.games.layout import Game

_REAL, _INTS, _FLOATS, _PLANS = types.float64, types.uint32[::1], types.float64[::1], types.float64[:, ::1]
_COUNT, _INDICES, _VOID = types.int64, types.int64[::1], types.void
_SUMS: Any = {"reassoc", "contract", "nsz"}
"""Liberties with sums, so that they use vector registers; NaN and infinity keep their meaning."""


class Population:
    """Equally many strategies of every player, the first of them uniform.

    Args:
        capacity: the largest number of strategies per player.
    """

    def __init__(self, game: Game, capacity: int) -> None:
        layout, players = game.layout, game.players
        self.players, self.capacity, self.size = players, capacity, 0
        total, base = game.sequences, layout.base[layout.start].astype(np.int64)
        self._empty = total + np.arange(players)
        self._spans = [slice(low, high) for low, high in zip(base[:-1], base[1:], strict=True)]
        self._ends = np.column_stack((base[:-1], base[1:])).ravel()
        self._tree = (layout.start, layout.cells, layout.base, layout.parent)
        self._rows = (layout.row, layout.column, layout.payoff)
        self._plans = np.zeros((capacity, total + players))
        self._quality, self._weight = np.empty(total + players), np.empty(total)
        for player in range(players):  # with nothing to gain every action is a best response
            self._quality[:] = 0.0
            _respond(*self._tree, self._quality, self._weight, self._plans[0], player)
        self.size = 1

    def mixture(self, weights: np.ndarray) -> np.ndarray:
        """Realisation plans [X + N] of all players' mixtures.

        Args:
            weights: [N, size], each row a distribution over a player's strategies.
        """
        reach = np.ones(self._plans.shape[1])
        for span, own in zip(self._spans, weights, strict=True):
            reach[span] = own @ self._plans[: self.size, span]
        return reach

    def grow(self, reach: np.ndarray) -> None:
        """Adds every player's exact best response to plans [X + N]; exact ties are played uniformly."""
        for player in range(self.players):
            _own_gradient(*self._rows, reach, self._quality, self._ends, player)
            _respond(*self._tree, self._quality, self._weight, self._plans[self.size], player)
        self.size += 1

    def gains(self, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each player's best response to plans [X + N] gains [N], and each player's payoff [N]."""
        gains, values, plan = np.empty(self.players), np.empty(self.players), np.empty(len(reach))
        for player, span in enumerate(self._spans):
            _own_gradient(*self._rows, reach, self._quality, self._ends, player)
            empty = self._quality[self._empty[player]]
            values[player] = empty + reach[span] @ self._quality[span]
            best = _respond(*self._tree, self._quality, self._weight, plan, player)
            gains[player] = best - values[player]
        return gains, values

    def fill(self, payoffs: np.ndarray) -> None:
        """Writes every player's payoffs for the profiles that have a newest strategy.

        Args:
            payoffs: [N, capacity, ..., capacity], contiguous; one axis per player after the first.
        """
        flat = payoffs.reshape(self.players, -1)
        _fill(*self._rows, self._plans, self._ends, self._quality, flat, self.size)


@njit(_VOID(_INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _INDICES, _COUNT), cache=True)
def _own_gradient(
    row: Any, column: Any, payoff: Any, reach: Any, quality: Any, ends: Any, player: int
) -> None:
    """Derivative of a player's payoff by its own plan, in the engine's order of summation."""
    players = len(ends) // 2
    width = players - 1
    empty = len(row) - 1 - players + player
    for low, high in ((ends[2 * player], ends[2 * player + 1]), (empty, empty + 1)):
        for s in range(low, high):
            total = 0.0
            for k in range(row[s], row[s + 1]):
                product = payoff[k]
                for j in range(k * width, (k + 1) * width):
                    product *= reach[column[j]]
                total += product
            quality[s] = total


@njit(_REAL(_INTS, _INTS, _INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _COUNT), cache=True)
def _respond(  # noqa: C901, PLR0913
    start: Any, cells: Any, base: Any, parent: Any, quality: Any, weight: Any, plan: Any, player: int
) -> float:
    """A best response, uniform over the actions whose values are equal to the last bit.

    In a game of imperfect recall an infoset's action is chosen over all its cells, as OpenSpiel does.

    Args:
        quality: [X + N] the gradient; left as the values of the player's sequences.
        weight: [X] work space, the behaviour.
        plan: [X + N] receives the response's realisation plan.

    Returns:
        The response's payoff.
    """
    players = len(start) - 1
    empty = len(quality) - players + player
    for infoset in range(start[player + 1] - 1, np.int64(start[player]) - 1, -1):
        low, high = np.int64(base[infoset]), np.int64(base[infoset + 1])
        first, last = np.int64(cells[infoset]), np.int64(cells[infoset + 1])
        size = (high - low) // (last - first)
        best, ties = -np.inf, 0
        for s in range(low, low + size):
            total = 0.0
            for k in range(s, high, size):
                total += quality[k]
            weight[s] = total
            if total > best:
                best, ties = total, 1
            elif total == best:
                ties += 1
        for s in range(low, low + size):
            weight[s] = 1.0 / ties if weight[s] == best else 0.0
        if last - first == 1:
            quality[parent[first]] += best  # and not a mean of equals, which rounds
        else:
            for cell in range(first, last):
                value = 0.0
                for a in range(size):
                    value += weight[low + a] * quality[low + (cell - first) * size + a]
                quality[parent[cell]] += value
    plan[empty] = 1.0
    for infoset in range(start[player], start[player + 1]):
        low = np.int64(base[infoset])
        s = int(low)
        first, last = np.int64(cells[infoset]), np.int64(cells[infoset + 1])
        size = (np.int64(base[infoset + 1]) - low) // (last - first)
        for cell in range(first, last):
            reach = plan[parent[cell]]
            for a in range(size):
                plan[s] = reach * weight[low + a]
                s += 1
    return quality[empty]


@njit
def _gradient_along(  # noqa: PLR0913
    row: Any, column: Any, payoff: Any, plans: Any, ends: Any, profile: Any, payer: int, along: int, out: Any
) -> None:
    """Derivative of the payer's payoff by the plan of player ``along``, the others playing ``profile``."""
    players = len(ends) // 2
    width = players - 1
    if along == payer:
        spot = -1
    else:
        spot = along if along < payer else along - 1
    empty = len(row) - 1 - players
    out[ends[2 * along] : ends[2 * along + 1]] = 0.0
    out[empty + along] = 0.0
    for low, high in (
        (ends[2 * payer], ends[2 * payer + 1]),
        (empty + payer, empty + payer + 1),
    ):
        for s in range(low, high):
            own = 1.0 if along == payer else plans[profile[payer], s]
            if own == 0.0:
                continue
            total = 0.0
            for k in range(row[s], row[s + 1]):
                product = own * payoff[k]
                for j in range(width):
                    if j != spot:
                        other = j if j < payer else j + 1
                        product *= plans[profile[other], column[k * width + j]]
                if spot < 0:
                    total += product
                else:
                    out[column[k * width + spot]] += product
            if spot < 0:
                out[s] = total


@njit(fastmath=_SUMS)
def _dot(x: Any, y: Any) -> float:
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@njit(_VOID(_INTS, _INTS, _FLOATS, _PLANS, _INDICES, _FLOATS, _PLANS, _COUNT), cache=True)
def _fill(  # noqa: C901, PLR0913
    row: Any, column: Any, payoff: Any, plans: Any, ends: Any, work: Any, payoffs: Any, size: int
) -> None:
    """Every profile with a newest strategy once: ``holder`` is the first player who has it."""
    players = len(ends) // 2
    capacity = len(plans)
    newest = size - 1
    strides = np.ones(players, np.int64)
    for player in range(players - 2, -1, -1):
        strides[player] = strides[player + 1] * capacity
    profile, bound = np.zeros(players, np.int64), np.zeros(players, np.int64)
    for holder in range(players):
        along = players - 1 if holder < players - 1 else players - 2
        for player in range(players):
            bound[player] = newest if player < holder else size
            profile[player] = 0
        if newest == 0 and holder > 0:
            break
        profile[holder] = newest
        going = True
        while going:
            place = 0
            for player in range(players):
                if player != along:
                    place += profile[player] * strides[player]
            for payer in range(players):
                _gradient_along(row, column, payoff, plans, ends, profile, payer, along, work)
                low, high, empty = ends[2 * along], ends[2 * along + 1], len(row) - 1 - players + along
                for k in range(bound[along]):
                    value = _dot(plans[k, low:high], work[low:high]) + work[empty]
                    payoffs[payer, place + k * strides[along]] = value
            going = False
            for player in range(players):
                if player != holder and player != along:
                    profile[player] += 1
                    if profile[player] < bound[player]:
                        going = True
                        break
                    profile[player] = 0
