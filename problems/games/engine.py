"""The engine of record: sweeps over a game's arrays, compiled by Numba. One thread, float64, no allocation.

Per player phase the referee makes one native call, :func:`step`: it takes over the policy of the player who
has just learnt and gives the next player its counterfactual regrets. ``reference.py`` says the same plainly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from problems.games.layout import FIELDS, INTEGERS, Game, Layout

TOLERANCE = 1e-6
"""How far from one a policy may sum before it is refused."""
_U, _ONE, _TWO = np.uint64, np.uint64(1), np.uint64(2)
"""Indices stay unsigned inside the sweeps: signed ones cost a test for negative values at every access.

One and two are also the sizes of most infosets. Those are swept without an inner loop, whose set-up and
mispredicted end cost as much again as the arithmetic; the order of operations is the same.
"""


class State(NamedTuple):
    """Views of the engine's private memory, one array [S + 2 (X + N)] that no candidate can reach."""

    policy: np.ndarray
    """[S] current policies of all players."""
    reach: np.ndarray
    """[X + N] own reach of every sequence under them; 1 for the empty sequences."""
    quality: np.ndarray
    """[X + N] work space: a player's counterfactual value of every own sequence."""


class Exchange(NamedTuple):
    """Views of what passes between engine and players, one array [3 S + I]; shared memory in a sandbox."""

    policy: np.ndarray
    """[S] what a player proposes."""
    regret: np.ndarray
    """[S] instantaneous counterfactual regrets."""
    realisation: np.ndarray
    """[S] own reach times policy."""
    opponent_reach: np.ndarray
    """[I] reach of everybody else, chance included."""


def new_state(game: Game) -> np.ndarray:
    """Uniform policies and their reach."""
    state = np.ones(game.entries + 2 * (game.sequences + game.players))
    for player in range(game.players):
        accept(game.integers, game.numbers, state, uniform(game), player)
    return state


def exchange_size(game: Game) -> int:
    return 3 * game.entries + game.infosets


def uniform(game: Game) -> np.ndarray:
    """[S] the uniform policy of all players."""
    sizes = np.diff(game.layout.first)
    return np.repeat(1.0 / sizes, sizes)


def exploitability(game: Game, policy: np.ndarray) -> float:
    """NashConv of a policy [S], divided by the number of players."""
    state, results = new_state(game), np.empty((game.players, 2))
    for player in range(game.players):
        accept(game.integers, game.numbers, state, policy, player)
    best_responses(game.integers, game.numbers, state, np.empty(game.infosets, np.uint32), results)
    return float((results[:, 0] - results[:, 1]).sum()) / game.players


_VOID, _INT = types.void, types.int64
_INTS, _FLOATS, _FLOATS2 = types.uint32[::1], types.float64[::1], types.float64[:, ::1]


@njit
def _integers(integers: Any, field: int) -> Any:
    low = _U(FIELDS)
    for i in range(field):
        low += integers[i]
    return integers[low : low + integers[field]]


@njit
def _numbers(integers: Any, numbers: Any, field: int) -> Any:
    low = _U(0)
    for i in range(INTEGERS, field):
        low += integers[i]
    return numbers[low : low + integers[field]]


@njit
def _layout(integers: Any, numbers: Any) -> Any:
    return Layout(
        _integers(integers, 0),
        _integers(integers, 1),
        _integers(integers, 2),
        _integers(integers, 3),
        _integers(integers, 4),
        _integers(integers, 5),
        _integers(integers, 6),
        _integers(integers, 7),
        _integers(integers, 8),
        _numbers(integers, numbers, 9),
        _numbers(integers, numbers, 10),
        _numbers(integers, numbers, 11),
        _numbers(integers, numbers, 12),
    )


@njit
def _state(game: Any, state: Any) -> Any:
    entries, sequences = game.first[-1], len(game.row) - 1
    return State(state[:entries], state[entries : entries + sequences], state[entries + sequences :])


@njit
def _exchange(game: Any, exchange: Any) -> Any:
    entries = game.first[-1]
    return Exchange(
        exchange[:entries],
        exchange[entries : 2 * entries],
        exchange[2 * entries : 3 * entries],
        exchange[3 * entries :],
    )


@njit
def _accept(game: Any, state: Any, policy: Any, player: int) -> int:  # noqa: C901
    """In one piece, for split up into functions it takes three times as long."""
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    own, reach = state.policy, state.reach
    for infoset in range(game.start[player], game.start[player + 1]):
        low, high = first[infoset], first[infoset + _ONE]
        cell, stop, sequence = cells[infoset], cells[infoset + _ONE], base[infoset]
        if high - low == _TWO:
            one, other = policy[low], policy[low + _ONE]
            if not (one >= 0.0 and other >= 0.0 and abs(one + other - 1.0) <= TOLERANCE):
                return infoset
            scale = 1.0 / (one + other)
            own[low], own[low + _ONE] = one * scale, other * scale
            for c in range(cell, stop):
                scaled = scale * reach[parent[c]]
                reach[sequence], reach[sequence + _ONE] = scaled * one, scaled * other
                sequence += _TWO
            continue
        if high - low == _ONE:
            one = policy[low]
            if not abs(one - 1.0) <= TOLERANCE:
                return infoset
            scale = 1.0 / one
            own[low] = one * scale
            for c in range(cell, stop):
                reach[sequence] = scale * reach[parent[c]] * one
                sequence += _ONE
            continue
        total = 0.0
        for entry in range(low, high):
            weight = policy[entry]
            own[entry] = weight
            if not weight >= 0.0:
                return infoset
            total += weight
        if not abs(total - 1.0) <= TOLERANCE:
            return infoset
        scale = 1.0 / total
        shift = sequence - low
        for c in range(cell, stop):
            scaled = scale * reach[parent[c]]
            for entry in range(low, high):
                reach[shift + entry] = scaled * own[entry]
            shift += high - low
        for entry in range(low, high):
            own[entry] *= scale
    return -1


@njit
def _expect(row: Any, column: Any, weight: Any, others: int, reach: Any, out: Any) -> None:
    """Products of a sparse matrix, each entry multiplied by the reach of each other player."""
    if others == 1:
        for i in range(_U(len(out))):
            total = 0.0
            for k in range(row[i], row[i + _ONE]):
                total += weight[k] * reach[column[k]]
            out[i] = total
    else:
        width = _U(others)
        for i in range(_U(len(out))):
            total = 0.0
            for k in range(row[i], row[i + _ONE]):
                product = weight[k]
                for j in range(k * width, (k + _ONE) * width):
                    product *= reach[column[j]]
                total += product
            out[i] = total


@njit
def _gradient(game: Any, state: Any, player: int) -> None:
    """Derivative of a player's value by its own reaches, into ``state.quality`` at its sequences.

    That is the expected payoff of the terminals right after each sequence, own reach left out.
    """
    players = len(game.start) - 1
    empty = len(game.row) - 1 - players + player
    for low, high in (
        (_U(game.base[game.start[player]]), _U(game.base[game.start[player + 1]])),
        (_U(empty), _U(empty + 1)),
    ):
        _expect(game.row[low:], game.column, game.payoff, players - 1, state.reach, state.quality[low:high])


@njit
def _snap(regret: float, least: float) -> float:
    return regret if abs(regret) >= least else 0.0


@njit
def _regrets(game: Any, state: Any, exchange: Any, player: int) -> None:
    """Counterfactual regrets r(I, a) = sum over the cells of I of q(a) - v, zero-snapped; realisations.

    Zinkevich et al. 2007, eq. (5), in sequence form: q of a sequence is its gradient plus the values of the
    cells below it; infosets are swept backwards, so those are complete.
    """
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    policy, reach, quality = state.policy, state.reach, state.quality
    regret, realisation = exchange.regret, exchange.realisation
    infoset, last, least = _U(game.start[player + 1]), _U(game.start[player]), game.snap[player]
    while infoset > last:
        infoset -= _ONE
        low, high = first[infoset], first[infoset + _ONE]
        cell, sequence = cells[infoset], base[infoset]
        if cells[infoset + _ONE] - cell > _ONE:
            _regrets_of_cells(game, state, exchange, infoset, least)
            continue
        if high - low == _TWO:
            one, other = quality[sequence], quality[sequence + _ONE]
            value = policy[low] * one + policy[low + _ONE] * other
            regret[low], regret[low + _ONE] = _snap(one - value, least), _snap(other - value, least)
            realisation[low], realisation[low + _ONE] = reach[sequence], reach[sequence + _ONE]
        elif high - low == _ONE:
            value = policy[low] * quality[sequence]
            regret[low], realisation[low] = _snap(quality[sequence] - value, least), reach[sequence]
        else:
            shift = sequence - low
            value = 0.0
            for entry in range(low, high):
                value += policy[entry] * quality[entry + shift]
            for entry in range(low, high):
                regret[entry] = _snap(quality[entry + shift] - value, least)
                realisation[entry] = reach[entry + shift]
        quality[parent[cell]] += value


@njit(inline="always")
def _regrets_of_cells(game: Any, state: Any, exchange: Any, infoset: Any, least: float) -> None:
    """Those of an infoset of imperfect recall."""
    policy, reach, quality = state.policy, state.reach, state.quality
    regret, realisation = exchange.regret, exchange.realisation
    low, high = game.first[infoset], game.first[infoset + _ONE]
    shift = game.base[infoset] - low
    own = 0.0
    for entry in range(low, high):
        regret[entry] = 0.0
    for c in range(game.cells[infoset], game.cells[infoset + _ONE]):
        value = 0.0
        for entry in range(low, high):
            value += policy[entry] * quality[entry + shift]
        for entry in range(low, high):
            regret[entry] += quality[entry + shift] - value
        quality[game.parent[c]] += value
        own += game.share[c] * reach[game.parent[c]]
        shift += high - low
    for entry in range(low, high):
        regret[entry] = _snap(regret[entry], least)
        realisation[entry] = own * policy[entry]


@njit
def _best_response(game: Any, state: Any, choice: Any, player: int) -> tuple[float, float]:
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    reach, quality = state.reach, state.quality
    players = len(game.start) - 1
    empty = len(game.row) - 1 - players + player
    value = quality[empty]
    for s in range(base[game.start[player]], base[game.start[player + 1]]):
        value += reach[s] * quality[s]
    infoset, last = _U(game.start[player + 1]), _U(game.start[player])
    while infoset > last:
        infoset -= _ONE
        size = _U(first[infoset + _ONE] - first[infoset])
        low, high = base[infoset], base[infoset + _ONE]
        best = low
        best_total = -np.inf
        for s in range(low, low + size):
            total = 0.0
            for k in range(s, high, size):
                total += quality[k]
            if total > best_total:
                best, best_total = s, total
        choice[infoset] = best - low
        for cell in range(cells[infoset], cells[infoset + _ONE]):
            quality[parent[cell]] += quality[best]
            best += size
    return quality[empty], value


@njit(_INT(_INTS, _FLOATS, _FLOATS, _FLOATS, _INT), cache=True)
def accept(integers: Any, numbers: Any, state: Any, policy: Any, player: int) -> int:
    """Copies a player's policy in, checked and renormalised, and sweeps its reach forward.

    Each entry of ``policy`` [S or more] is read once, since whoever owns it may be writing to it.

    Returns:
        -1, or the first infoset whose entries are negative, not finite, or do not sum to one.
    """
    game = _layout(integers, numbers)
    return _accept(game, _state(game, state), policy, player)


@njit(_INT(_INTS, _FLOATS, _FLOATS, _FLOATS, _INT, _INT), cache=True)
def step(integers: Any, numbers: Any, state: Any, exchange: Any, learnt: int, player: int) -> int:
    """Takes over the policy of player ``learnt`` (none if -1), then computes the regrets of ``player``.

    Returns:
        As :func:`accept`.
    """
    game = _layout(integers, numbers)
    own, shared = _state(game, state), _exchange(game, exchange)
    if learnt >= 0:
        refused = _accept(game, own, shared.policy, learnt)
        if refused >= 0:
            return refused
    _gradient(game, own, player)
    _regrets(game, own, shared, player)
    return -1


@njit(_VOID(_INTS, _FLOATS, _FLOATS, _FLOATS, _INT), cache=True)
def opponent_reaches(integers: Any, numbers: Any, state: Any, exchange: Any, player: int) -> None:
    """Probability that everybody else, chance included, lets a player reach each of its infosets."""
    game = _layout(integers, numbers)
    low, high = game.start[player], game.start[player + 1]
    out = _exchange(game, exchange).opponent_reach[low:high]
    others = len(game.start) - 2
    _expect(game.history_row[low:], game.history_column, game.chance, others, _state(game, state).reach, out)


@njit(_VOID(_INTS, _FLOATS, _FLOATS, _INTS, _FLOATS2), cache=True)
def best_responses(integers: Any, numbers: Any, state: Any, choice: Any, values: Any) -> None:
    """Exact best responses (first maxima) of all players to the policies of ``state``.

    In a game of imperfect recall the best action of an infoset is chosen over all its cells, given best
    actions below, as OpenSpiel does.

    Args:
        choice: [I] receives an action per infoset.
        values: [N, 2] receives each player's value of its best response and of its own policy; their
            differences sum to NashConv.
    """
    game = _layout(integers, numbers)
    own = _state(game, state)
    for player in range(len(game.start) - 1):
        _gradient(game, own, player)
        values[player, 0], values[player, 1] = _best_response(game, own, choice, player)
