"""The engine of record: sweeps over a game's arrays, compiled by Numba. One thread, float64, no allocation.

Per player phase the referee makes one native call, :func:`step`: it takes over the policy of the player who
has just learnt and gives the next player its counterfactual regrets. ``reference.py`` says the same plainly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from problems.games.layout import Game, Layout

SNAP = 1e-15
"""Counterfactual regrets below this are rounding noise of exact ties and count as zero. Without it regret
matching turns a spurious 1e-18 into a pure strategy, and symmetric games end orders of magnitude apart."""
TOLERANCE = 1e-6
"""How far from one a policy may sum before it is refused."""
_U, _ONE = np.uint64, np.uint64(1)
"""Indices stay unsigned inside the sweeps: signed ones cost a test for negative values at every access."""


class State(NamedTuple):
    """The engine's private memory: what a candidate cannot reach."""

    policy: np.ndarray
    """[S] current policy of all players."""
    reach: np.ndarray
    """[X + N] own reach of every sequence under it; the empty sequences are 1."""
    quality: np.ndarray
    """[X + N] work space: counterfactual value of every sequence."""


class Exchange(NamedTuple):
    """What is written for the players and read from them; shared memory in a sandbox."""

    policy: np.ndarray
    """[S] proposed by the candidate."""
    regret: np.ndarray
    """[S] instantaneous counterfactual regrets."""
    reach: np.ndarray
    """[I] own reach."""
    opponent_reach: np.ndarray
    """[I] reach of everybody else, chance included."""


_INTS, _FLOATS = types.uint32[::1], types.float64[::1]
_LAYOUT = types.NamedTuple(
    (types.int64, *[_INTS] * 5, _FLOATS, _INTS, _INTS, _FLOATS, _INTS, _INTS, _FLOATS), Layout
)
_STATE = types.NamedUniTuple(_FLOATS, 3, State)
_EXCHANGE = types.NamedUniTuple(_FLOATS, 4, Exchange)
_INT = types.int64


def new_state(game: Game) -> State:
    """Uniform policies and their reach."""
    layout = game.layout
    size = game.sequences + layout.players
    state = State(uniform(game), np.ones(size), np.empty(size))
    for player in range(layout.players):
        accept(layout, state, state.policy, player)
    return state


def uniform(game: Game) -> np.ndarray:
    """[S] the uniform policy of all players."""
    sizes = np.diff(game.layout.first)
    return np.repeat(1.0 / sizes, sizes)


def exploitability(game: Game, policy: np.ndarray) -> float:
    """NashConv of a policy [S], divided by the number of players."""
    state, players = new_state(game), game.layout.players
    for player in range(players):
        accept(game.layout, state, policy, player)
    values, gains = np.empty(players), np.empty(players)
    nash_conv(game.layout, state, np.empty(game.infosets, np.uint32), values, gains)
    return float(gains.sum()) / players


@njit(_INT(_LAYOUT, _STATE, _FLOATS, _INT), cache=True)
def accept(game: Any, state: Any, policy: Any, player: int) -> int:
    """Copies a player's policy in, checked and renormalised, and sweeps its reach forward.

    Each entry is read once, since whoever owns ``policy`` may be writing to it.

    Returns:
        -1, or the first infoset whose entries are negative, not finite, or do not sum to one.
    """
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    own, reach = state.policy, state.reach
    for infoset in range(game.start[player], game.start[player + 1]):
        low, high = first[infoset], first[infoset + _ONE]
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
        sequence = base[infoset] - low
        for cell in range(cells[infoset], cells[infoset + _ONE]):
            scaled = scale * reach[parent[cell]]
            for entry in range(low, high):
                reach[sequence + entry] = scaled * own[entry]
            sequence += high - low
        for entry in range(low, high):
            own[entry] *= scale
    return -1


@njit(types.void(_INTS, _INTS, _FLOATS, _INT, _FLOATS, _FLOATS, _INT, _INT), cache=True)
def _expect(
    row: Any, column: Any, weight: Any, others: int, reach: Any, out: Any, low: int, high: int
) -> None:
    """Rows low..high of a sparse matrix whose entries are multiplied by the reach of each other player."""
    if others == 1:
        for i in range(low, high):
            total = 0.0
            for k in range(row[i], row[i + _ONE]):
                total += weight[k] * reach[column[k]]
            out[i] = total
    else:
        for i in range(low, high):
            total = 0.0
            for k in range(row[i], row[i + _ONE]):
                product = weight[k]
                for j in range(k * others, (k + 1) * others):
                    product *= reach[column[j]]
                total += product
            out[i] = total


@njit(types.void(_LAYOUT, _STATE, _INT), cache=True)
def gradient(game: Any, state: Any, player: int) -> None:
    """Derivative of a player's value by its own reaches, into ``state.quality`` at its sequences.

    The expected payoff of the terminals right after each sequence, own reach left out.
    """
    low, high = game.base[game.start[player]], game.base[game.start[player + 1]]
    empty = len(game.row) - 1 - game.players + player
    args = (game.row, game.column, game.payoff, game.players - 1, state.reach, state.quality)
    _expect(*args, low, high)
    _expect(*args, empty, empty + 1)


@njit(types.void(_LAYOUT, _STATE, _EXCHANGE, _INT), cache=True)
def regrets(game: Any, state: Any, exchange: Any, player: int) -> None:
    """Counterfactual regrets r(I, a) = sum over the cells of I of q(a) - v, zero-snapped, and own reach.

    Zinkevich et al. 2007, eq. (5), in sequence form: q of a sequence is its gradient plus the values of the
    cells below it; infosets are swept backwards, so those are complete.
    """
    gradient(game, state, player)
    first, cells, base, parent, share = game.first, game.cells, game.base, game.parent, game.share
    policy, reach, quality = state.policy, state.reach, state.quality
    regret, own_reach = exchange.regret, exchange.reach
    infoset, last = _U(game.start[player + 1]), _U(game.start[player])
    while infoset > last:
        infoset -= _ONE
        low, high = first[infoset], first[infoset + _ONE]
        shift = base[infoset] - low
        own = 0.0
        for entry in range(low, high):
            regret[entry] = 0.0
        for cell in range(cells[infoset], cells[infoset + _ONE]):
            value = 0.0
            for entry in range(low, high):
                value += policy[entry] * quality[entry + shift]
            for entry in range(low, high):
                regret[entry] += quality[entry + shift] - value
            above = parent[cell]
            quality[above] += value
            own += share[cell] * reach[above]
            shift += high - low
        for entry in range(low, high):
            if abs(regret[entry]) < SNAP:
                regret[entry] = 0.0
        own_reach[infoset] = own


@njit(types.void(_LAYOUT, _STATE, _EXCHANGE, _INT), cache=True)
def opponent_reaches(game: Any, state: Any, exchange: Any, player: int) -> None:
    """Probability that everybody else, chance included, lets a player reach each of its infosets."""
    args = (game.history_row, game.history_column, game.chance, game.players - 1, state.reach)
    _expect(*args, exchange.opponent_reach, game.start[player], game.start[player + 1])


@njit(_INT(_LAYOUT, _STATE, _EXCHANGE, _INT, _INT), cache=True)
def step(game: Any, state: Any, exchange: Any, learnt: int, player: int) -> int:
    """Takes over the policy of player ``learnt`` (none if -1), then computes the regrets of ``player``.

    Returns:
        As :func:`accept`.
    """
    if learnt >= 0:
        refused = accept(game, state, exchange.policy, learnt)
        if refused >= 0:
            return refused
    regrets(game, state, exchange, player)
    return -1


@njit(types.UniTuple(types.float64, 2)(_LAYOUT, _STATE, _INTS, _INT), cache=True)
def best_response(game: Any, state: Any, choice: Any, player: int) -> tuple[float, float]:
    """Exact best response to ``state`` (first maximum), as an action per infoset in ``choice`` [I].

    In a game of imperfect recall the best action of an infoset is chosen over all its cells, given best
    actions below, as OpenSpiel does.

    Returns:
        Value of the best response and value of the player's own policy.
    """
    gradient(game, state, player)
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    reach, quality = state.reach, state.quality
    empty = len(game.row) - 1 - game.players + player
    value = quality[empty]
    for s in range(base[game.start[player]], base[game.start[player + 1]]):
        value += reach[s] * quality[s]
    infoset, last = _U(game.start[player + 1]), _U(game.start[player])
    while infoset > last:
        infoset -= _ONE
        size = _U(first[infoset + _ONE] - first[infoset])
        low, high = base[infoset], base[infoset + _ONE]
        best: Any = low
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


@njit(types.void(_LAYOUT, _STATE, _INTS, _FLOATS, _FLOATS), cache=True)
def nash_conv(game: Any, state: Any, choice: Any, values: Any, gains: Any) -> None:
    """Values [N] of a profile and what each player gains by a best response; the gains sum to NashConv."""
    for player in range(game.players):
        best_value, value = best_response(game, state, choice, player)
        values[player] = value
        gains[player] = best_value - value
