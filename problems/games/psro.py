"""Populations of strategies in sequence form: exact best responses, mixtures and payoff tensors.

A strategy is its realisation plan, so that a mixture is a weighted sum, a payoff is a product, and a best
response is one gradient and one sweep. A plan is zero wherever its player does not go, nine entries in ten,
so sums run over the others alone. Compiled by Numba; one thread, float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from problems.games.layout import Game

_REAL, _INTS, _FLOATS, _PLANS = types.float64, types.uint32[::1], types.float64[::1], types.float64[:, ::1]
_COUNT, _INDICES, _MARKS, _VOID = types.int64, types.int64[::1], types.int64[:, ::1], types.void
_ONE = np.uint64(1)
"""Indices stay unsigned inside the sweeps: signed ones cost a test for negative values at every access."""
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
        self._places, self._reaches = np.empty(total, np.uint32), np.empty(total)
        self._marks = np.zeros((capacity, players + 1), np.int64)
        self._quality, self._weight = np.empty(total + players), np.empty(total)
        for player in range(players):  # with nothing to gain every action is a best response
            self._quality[:] = 0.0
            _respond(*self._tree, self._quality, self._weight, self._plans[0], player)
        self._enter()

    def mixture(self, weights: np.ndarray) -> np.ndarray:
        """Realisation plans [X + N] of all players' mixtures.

        Args:
            weights: [N, size], each row a distribution over a player's strategies.
        """
        reach = np.empty(self._plans.shape[1])
        _mix(*self._sparse(), np.ascontiguousarray(weights), reach)
        return reach

    def grow(self, reach: np.ndarray) -> None:
        """Adds every player's exact best response to plans [X + N]; exact ties are played uniformly."""
        for player in range(self.players):
            _own_gradient(*self._rows, reach, self._quality, self._ends, player)
            _respond(*self._tree, self._quality, self._weight, self._plans[self.size], player)
        self._enter()

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
        _fill(*self._rows, self._plans, *self._sparse(), self._ends, self._quality, flat, self.size)

    def _enter(self) -> None:
        """Takes the next plan, which has been written, into the population."""
        start = self._marks[self.size - 1, -1] if self.size else 0
        needed = start + len(self._weight)
        if needed > len(self._places):
            self._places = np.resize(self._places, 2 * needed)
            self._reaches = np.resize(self._reaches, 2 * needed)
        _note(self._plans[self.size], self._ends, start, *self._sparse(), self.size)
        self.size += 1

    def _sparse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is not zero in all plans, strategy by strategy and player by player: sequence and reach;
        and where a strategy's part of each player begins, [capacity, N + 1]."""
        return self._places, self._reaches, self._marks


@njit(_VOID(_FLOATS, _INDICES, _COUNT, _INTS, _FLOATS, _MARKS, _COUNT), cache=True)
def _note(plan: Any, ends: Any, start: int, places: Any, reaches: Any, marks: Any, k: int) -> None:
    """Writes down what is not zero in plan number k."""
    for player in range(len(ends) // 2):
        marks[k, player] = start
        for s in range(ends[2 * player], ends[2 * player + 1]):
            if plan[s] != 0.0:
                places[start], reaches[start] = s, plan[s]
                start += 1
    marks[k, -1] = start


@njit(_VOID(_INTS, _FLOATS, _MARKS, _PLANS, _FLOATS), cache=True)
def _mix(places: Any, reaches: Any, marks: Any, weights: Any, out: Any) -> None:
    """Plans [X + N] of the mixtures ``weights`` [N, size]."""
    players, size = weights.shape
    out[:] = 0.0
    out[len(out) - players :] = 1.0
    for player in range(players):
        for k in range(size):
            weight = weights[player, k]
            if weight != 0.0:
                for i in range(np.uint64(marks[k, player]), np.uint64(marks[k, player + 1])):
                    out[places[i]] += weight * reaches[i]


@njit(_VOID(_INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _INDICES, _COUNT), cache=True)
def _own_gradient(
    row: Any, column: Any, payoff: Any, reach: Any, quality: Any, ends: Any, player: int
) -> None:
    """Derivative of a player's payoff by its own plan, in the engine's order of summation."""
    players = len(ends) // 2
    width = np.uint64(players - 1)
    empty = len(row) - 1 - players + player
    for low, high in ((ends[2 * player], ends[2 * player + 1]), (empty, empty + 1)):
        for s in range(np.uint64(low), np.uint64(high)):
            total = 0.0
            if players == 2:
                for k in range(row[s], row[s + _ONE]):
                    total += payoff[k] * reach[column[k]]
            else:
                for k in range(row[s], row[s + _ONE]):
                    product = payoff[k]
                    for j in range(k * width, (k + _ONE) * width):
                        product *= reach[column[j]]
                    total += product
            quality[s] = total


@njit
def _choose(worth: Any, weight: Any, low: int, high: int) -> float:
    """The greatest of the entries, and the uniform distribution over all that equal it."""
    best, ties = -np.inf, 0
    for s in range(low, high):
        if worth[s] > best:
            best, ties = worth[s], 1
        elif worth[s] == best:
            ties += 1
    share = 1.0 / ties
    for s in range(low, high):
        weight[s] = share if worth[s] == best else 0.0
    return best


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
    infoset: Any = np.uint64(start[player + 1])
    while infoset > start[player]:
        infoset -= _ONE
        low, high = base[infoset], base[infoset + _ONE]
        first, last = cells[infoset], cells[infoset + _ONE]
        if last - first == _ONE:  # perfect recall: the general case below costs twice as much
            # and not a mean of equals, which rounds
            quality[parent[first]] += _choose(quality, weight, low, high)
            continue
        size = np.uint64((high - low) // (last - first))
        for s in range(low, low + size):
            weight[s] = 0.0
            for k in range(s, high, size):
                weight[s] += quality[k]
        _choose(weight, weight, low, low + size)
        for cell in range(first, last):
            value = 0.0
            for a in range(size):
                value += weight[low + a] * quality[low + (cell - first) * size + a]
            quality[parent[cell]] += value
    plan[empty] = 1.0
    for infoset in range(np.uint64(start[player]), np.uint64(start[player + 1])):
        low, high = base[infoset], base[infoset + _ONE]
        first, last = cells[infoset], cells[infoset + _ONE]
        size = high - low if last - first == _ONE else np.uint64((high - low) // (last - first))
        shift = np.uint64(0)
        for cell in range(first, last):
            reach = plan[parent[cell]]
            for s in range(low, low + size):
                plan[s + shift] = reach * weight[s]
            shift += size
    return quality[empty]


@njit
def _gradient_across(  # noqa: PLR0913
    row: Any,
    column: Any,
    payoff: Any,
    plans: Any,
    ends: Any,
    profile: Any,
    payer: int,
    along: int,
    s: Any,
    own: float,
    out: Any,
) -> None:
    """Adds a payer's sequence s, reached by ``own``, to its payoff's derivative by another's plan."""
    width = len(ends) // 2 - 1
    spot = along if along < payer else along - 1
    place = np.uint64(row[s]) * np.uint64(width)
    for k in range(row[s], row[s + _ONE]):
        product = own * payoff[k]
        for j in range(width):
            if j != spot:
                other = j if j < payer else j + 1
                product *= plans[profile[other], column[place + np.uint64(j)]]
        out[column[place + np.uint64(spot)]] += product
        place += np.uint64(width)


@njit
def _gradient_along(  # noqa: PLR0913
    row: Any,
    column: Any,
    payoff: Any,
    plans: Any,
    places: Any,
    reaches: Any,
    marks: Any,
    ends: Any,
    profile: Any,
    payer: int,
    along: int,
    out: Any,
) -> None:
    """Derivative of the payer's payoff by the plan of player ``along``, the others playing ``profile``."""
    players = len(ends) // 2
    width, empty = players - 1, len(row) - 1 - players
    if along != payer:
        out[ends[2 * along] : ends[2 * along + 1]] = 0.0
        out[empty + along] = 0.0
        own = profile[payer]
        for i in range(np.uint64(marks[own, payer]), np.uint64(marks[own, payer + 1])):
            _gradient_across(
                row, column, payoff, plans, ends, profile, payer, along, np.uint64(places[i]), reaches[i], out
            )
        _gradient_across(
            row, column, payoff, plans, ends, profile, payer, along, np.uint64(empty + payer), 1.0, out
        )
    elif players == 2:
        _own_gradient(row, column, payoff, plans[profile[1 - payer]], out, ends, payer)
    else:
        for low, high in ((ends[2 * payer], ends[2 * payer + 1]), (empty + payer, empty + payer + 1)):
            for s in range(np.uint64(low), np.uint64(high)):
                total = 0.0
                for k in range(row[s], row[s + _ONE]):
                    product = payoff[k]
                    for j in range(width):
                        other = j if j < payer else j + 1
                        product *= plans[profile[other], column[k * np.uint64(width) + np.uint64(j)]]
                    total += product
                out[s] = total


@njit(fastmath=_SUMS)
def _product(places: Any, reaches: Any, low: int, high: int, values: Any) -> float:
    total = 0.0
    for i in range(np.uint64(low), np.uint64(high)):
        total += reaches[i] * values[places[i]]
    return total


@njit(
    _VOID(_INTS, _INTS, _FLOATS, _PLANS, _INTS, _FLOATS, _MARKS, _INDICES, _FLOATS, _PLANS, _COUNT),
    cache=True,
)
def _fill(  # noqa: C901, PLR0913
    row: Any,
    column: Any,
    payoff: Any,
    plans: Any,
    places: Any,
    reaches: Any,
    marks: Any,
    ends: Any,
    work: Any,
    payoffs: Any,
    size: int,
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
                _gradient_along(
                    row, column, payoff, plans, places, reaches, marks, ends, profile, payer, along, work
                )
                empty = len(row) - 1 - players + along
                for k in range(bound[along]):
                    value = _product(places, reaches, marks[k, along], marks[k, along + 1], work)
                    payoffs[payer, place + k * strides[along]] = value + work[empty]
            going = False
            for player in range(players):
                if player != holder and player != along:
                    profile[player] += 1
                    if profile[player] < bound[player]:
                        going = True
                        break
                    profile[player] = 0
