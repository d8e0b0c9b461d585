"""The engine for several policies at once: the sweeps of ``engine.py`` with a batch as the inner dimension.

State and exchange are those of the engine with a last dimension B, contiguous: [S + 2 (X + N), B] and
[3 S + I, B]. Every setting of a batch gets the very bits that it would get alone; the game's indices are read
once for all of them, and the inner loops are vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from problems.games import engine
from problems.games.engine import _ONE, _U, TOLERANCE, _exchange, _layout, _snap, _state
from problems.games.layout import Game


def new_state(game: Game, batch: int) -> np.ndarray:
    """Uniform policies and their reach."""
    return np.repeat(engine.new_state(game)[:, None], batch, axis=1)


_INT = types.int64
_INTS, _FLOATS, _FLOATS2 = types.uint32[::1], types.float64[::1], types.float64[:, ::1]


@njit
def _accept(game: Any, state: Any, policy: Any, player: int) -> int:  # noqa: C901
    first, cells, base, parent = game.first, game.cells, game.base, game.parent
    own, reach = state.policy, state.reach
    width = _U(policy.shape[1])
    scale, scaled = np.empty(width), np.empty(width)
    for infoset in range(game.start[player], game.start[player + 1]):
        low, high = first[infoset], first[infoset + _ONE]
        faults = 0
        scale[:] = 0.0
        for entry in range(low, high):
            for b in range(width):
                weight = policy[entry, b]
                own[entry, b] = weight
                faults += 0 if weight >= 0.0 else 1
                scale[b] += weight
        for b in range(width):
            faults += 0 if abs(scale[b] - 1.0) <= TOLERANCE else 1
            scale[b] = 1.0 / scale[b]
        if faults:
            return infoset
        shift = base[infoset] - low
        for cell in range(cells[infoset], cells[infoset + _ONE]):
            above = parent[cell]
            for b in range(width):
                scaled[b] = scale[b] * reach[above, b]
            for entry in range(low, high):
                for b in range(width):
                    reach[shift + entry, b] = scaled[b] * own[entry, b]
            shift += high - low
        for entry in range(low, high):
            for b in range(width):
                own[entry, b] *= scale[b]
    return -1


@njit
def _expect(row: Any, column: Any, weight: Any, others: int, reach: Any, out: Any) -> None:
    width = _U(out.shape[1])
    product = np.empty(width)
    if others == 1:
        for i in range(_U(len(out))):
            out[i] = 0.0
            for k in range(row[i], row[i + _ONE]):
                for b in range(width):
                    out[i, b] += weight[k] * reach[column[k], b]
    else:
        span = _U(others)
        for i in range(_U(len(out))):
            out[i] = 0.0
            for k in range(row[i], row[i + _ONE]):
                product[:] = weight[k]
                for j in range(k * span, (k + _ONE) * span):
                    for b in range(width):
                        product[b] *= reach[column[j], b]
                for b in range(width):
                    out[i, b] += product[b]


@njit
def _gradient(game: Any, state: Any, player: int) -> None:
    players = len(game.start) - 1
    empty = len(game.row) - 1 - players + player
    for low, high in (
        (_U(game.base[game.start[player]]), _U(game.base[game.start[player + 1]])),
        (_U(empty), _U(empty + 1)),
    ):
        _expect(game.row[low:], game.column, game.payoff, players - 1, state.reach, state.quality[low:high])


@njit
def _regrets(game: Any, state: Any, exchange: Any, player: int) -> None:
    first, cells, base, parent, share = game.first, game.cells, game.base, game.parent, game.share
    policy, reach, quality = state.policy, state.reach, state.quality
    regret, realisation = exchange.regret, exchange.realisation
    width = _U(policy.shape[1])
    value, own = np.empty(width), np.empty(width)
    infoset, last, least = _U(game.start[player + 1]), _U(game.start[player]), game.snap[player]
    while infoset > last:
        infoset -= _ONE
        low, high = first[infoset], first[infoset + _ONE]
        start, stop = cells[infoset], cells[infoset + _ONE]
        shift = base[infoset] - low
        own[:] = 0.0
        regret[low:high] = 0.0
        for cell in range(start, stop):
            above = parent[cell]
            value[:] = 0.0
            for entry in range(low, high):
                for b in range(width):
                    value[b] += policy[entry, b] * quality[entry + shift, b]
            for entry in range(low, high):
                for b in range(width):
                    regret[entry, b] += quality[entry + shift, b] - value[b]
            for b in range(width):
                quality[above, b] += value[b]
                own[b] += share[cell] * reach[above, b]
            shift += high - low
        alone = stop - start == _ONE
        shift = base[infoset] - low
        for entry in range(low, high):
            for b in range(width):
                regret[entry, b] = _snap(regret[entry, b], least)
                realisation[entry, b] = reach[entry + shift, b] if alone else own[b] * policy[entry, b]


@njit(_INT(_INTS, _FLOATS, _FLOATS2, _FLOATS2, _INT), cache=True)
def accept(integers: Any, numbers: Any, state: Any, policy: Any, player: int) -> int:
    """As ``engine.accept``, of ``policy`` [S or more, B]; refuses all settings when it refuses one."""
    game = _layout(integers, numbers)
    return _accept(game, _state(game, state), policy, player)


@njit(_INT(_INTS, _FLOATS, _FLOATS2, _FLOATS2, _INT, _INT), cache=True)
def step(integers: Any, numbers: Any, state: Any, exchange: Any, learnt: int, player: int) -> int:
    """As ``engine.step``."""
    game = _layout(integers, numbers)
    own, shared = _state(game, state), _exchange(game, exchange)
    if learnt >= 0:
        refused = _accept(game, own, shared.policy, learnt)
        if refused >= 0:
            return refused
    _gradient(game, own, player)
    _regrets(game, own, shared, player)
    return -1


@njit(types.void(_INTS, _FLOATS, _FLOATS2, _FLOATS2, _INT), cache=True)
def opponent_reaches(integers: Any, numbers: Any, state: Any, exchange: Any, player: int) -> None:
    """As ``engine.opponent_reaches``."""
    game = _layout(integers, numbers)
    low, high = game.start[player], game.start[player + 1]
    out = _exchange(game, exchange).opponent_reach[low:high]
    others = len(game.start) - 2
    _expect(game.history_row[low:], game.history_column, game.chance, others, _state(game, state).reach, out)
