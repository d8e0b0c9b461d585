"""A small machine for loops that were recorded: operations on registers, compiled once by Numba.

One file, so that what Numba keeps of it is up to date or not as a whole.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types

UNARY = ("neg", "abs", "sign", "exp", "log", "sqrt", "tanh", "copy")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
BINARY = ("add", "sub", "mul", "truediv", "pow", "maximum", "minimum", "mod", *COMPARISONS)
_OPERATIONS = (*UNARY, *BINARY, "where", "sum", "max", "min", "normalise", "softmax", "project")
CODES = {name: code for code, name in enumerate(_OPERATIONS)}
_NEG, _ABS, _SIGN, _EXP, _LOG, _SQRT, _TANH, _COPY = (CODES[name] for name in UNARY)
_ADD, _SUB, _MUL, _DIV, _POW, _MAXIMUM, _MINIMUM, _MOD = (CODES[name] for name in BINARY[:8])
_GT, _GE, _LT, _LE, _EQ = (CODES[name] for name in COMPARISONS[:5])
_WHERE, _SUM, _MAX, _MIN, _NORMALISE, _SOFTMAX, _PROJECT = range(CODES["where"], len(CODES))
_SUMS: Any = {"reassoc", "contract", "nsz"}
"""Liberties with sums, so that they use vector registers; NaN and infinity keep their meaning."""


@njit(fastmath=_SUMS)
def _dot(x: Any, y: Any) -> float:
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@njit
def _project(r: Any, x: int, floor: float, out: int, n: int) -> None:
    """Euclidean projection on {y: y >= floor, sum y = 1} (Michelot 1986); uniform where that is empty."""
    threshold, active = -np.inf, -1
    mass = 1.0 - n * floor
    while True:
        total, count = 0.0, 0
        for i in range(x, x + n):
            if r[i] - floor > threshold:
                total += r[i] - floor
                count += 1
        if count == active or count == 0:
            break
        threshold, active = (total - mass) / count, count
    for i in range(n):
        r[out + i] = max(r[x + i] - floor - threshold, 0.0) + floor if mass > 0.0 else 1.0 / n


@njit
def _reduce(code: int, r: Any, x: int, n: int) -> float:
    total = 0.0 if code == _SUM else r[x]
    for i in range(x, x + n):
        if code == _SUM:
            total += r[i]
        elif r[i] > total if code == _MAX else r[i] < total:
            total = r[i]
    return total


@njit(error_model="numpy")
def _distribute(code: int, r: Any, x: int, floor: float, out: int, n: int) -> None:
    """A distribution from the numbers of one player."""
    if code == _PROJECT:
        _project(r, x, floor, out, n)
        return
    total, top = 0.0, _reduce(_MAX, r, x, n)
    for i in range(n):
        if code == _SOFTMAX:
            r[out + i] = math.exp(r[x + i] - top)
        else:
            r[out + i] = 0.0 if r[x + i] <= 0.0 else r[x + i]  # NaN stays, to be refused
        total += r[out + i]
    for i in range(out, out + n):
        r[i] = 1.0 / n if total == 0.0 else r[i] / total


@njit(error_model="numpy")
def _elementwise(code: int, r: Any, x: int, y: int, z: int, out: int, n: int) -> None:  # noqa: C901
    """The frequent operations have loops of their own, which then use vector registers."""
    if code == _ADD:
        for i in range(n):
            r[out + i] = r[x + i] + r[y + i]
    elif code == _SUB:
        for i in range(n):
            r[out + i] = r[x + i] - r[y + i]
    elif code == _MUL:
        for i in range(n):
            r[out + i] = r[x + i] * r[y + i]
    elif code == _DIV:
        for i in range(n):
            r[out + i] = r[x + i] / r[y + i]
    elif code == _MAXIMUM:
        for i in range(n):
            r[out + i] = r[y + i] if r[y + i] > r[x + i] or r[y + i] != r[y + i] else r[x + i]
    elif code == _WHERE:
        for i in range(n):
            r[out + i] = r[y + i] if r[x + i] != 0.0 else r[z + i]
    else:
        for i in range(n):
            r[out + i] = _scalar(code, r[x + i], r[y + i])


@njit(error_model="numpy")
def _scalar(code: int, x: float, y: float) -> float:  # noqa: C901
    if code == _ABS:
        return abs(x)
    if code == _MINIMUM:
        return y if y < x or y != y else x
    if code == _POW:
        return x**y
    if code == _EXP:
        return math.exp(x)
    if code == _LOG:
        return math.log(x) if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    if code == _SQRT:
        return math.sqrt(x) if x >= 0.0 else np.nan
    if code == _TANH:
        return math.tanh(x)
    if code == _MOD:
        return x - math.floor(x / y) * y
    if code == _NEG:
        return -x
    if code == _SIGN:
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else x
    if code == _GT or code == _GE:
        true = x > y if code == _GT else x >= y
    elif code == _LT or code == _LE:
        true = x < y if code == _LT else x <= y
    else:
        true = (x == y) == (code == _EQ)
    return 1.0 if true else 0.0


@njit
def _compute(code: Any, wide: Any, r: Any, width: int, n: int) -> None:
    """The recorded operations on one player's registers, each of ``width`` numbers."""
    for k in range(len(code)):
        operation, target = code[k, 0], code[k, 1] * width
        x, y, z = code[k, 2] * width, code[k, 3] * width, code[k, 4] * width
        if operation == _COPY:
            for i in range(n):
                r[target + i] = r[x]
        elif operation < _SUM:
            _elementwise(operation, r, x, y, z, target, n if wide[code[k, 1]] else 1)
        elif operation < _NORMALISE:
            r[target] = _reduce(operation, r, x, n)
        else:
            _distribute(operation, r, x, r[y], target, n)


@njit
def _payoffs(player: int, tables: Any, mixed: Any, width: int, work: Any, out: Any) -> None:
    """Expected payoff of each of a player's strategies, the others playing ``mixed``, in compressed form."""
    first, ranks, factors, factor_at, cores, core_at = tables
    size = 1
    for rank in ranks:
        size *= rank
    current, at, half = cores, core_at[player], len(work) // 2
    here = 0
    for other in range(len(ranks) - 1, -1, -1):
        if other != player:
            rank = ranks[other]
            size //= rank
            for i in range(size):
                row = current[at + i * rank : at + (i + 1) * rank]
                work[here + i] = _dot(row, mixed[other * width : other * width + rank])
            current, at, here = work, here, half - here
    rank, low = ranks[player], first[player]
    for i in range(first[player + 1] - low):
        if factor_at[player] < 0:
            out[low + i] = current[at + i]
        else:
            row = factors[factor_at[player] + i * rank : factor_at[player] + (i + 1) * rank]
            out[low + i] = _dot(row, current[at : at + rank])


@njit
def _mix(player: int, tables: Any, strategies: Any, mixed: Any, width: int) -> None:
    first, ranks, factors, factor_at, _, _ = tables
    rank, here, low = ranks[player], player * width, first[player]
    for k in range(rank):
        mixed[here + k] = strategies[low + k] if factor_at[player] < 0 else 0.0
    if factor_at[player] >= 0:
        for i in range(first[player + 1] - low):
            at, share = factor_at[player] + i * rank, strategies[low + i]
            for k in range(rank):
                mixed[here + k] += share * factors[at + k]


_F1, _F2, _I1, _I2 = types.float64[::1], types.float64[:, ::1], types.int64[::1], types.int64[:, ::1]
_TABLES = types.Tuple((_I1, _I1, _F1, _I1, _F1, _I1))


@njit(types.void(_TABLES, _I1, types.boolean, _I2, _I1, _F1, _I2, _F2, _I1, _F1), cache=True)
def run(  # noqa: C901, PLR0913
    tables: Any,
    span: Any,
    alternating: bool,
    code: Any,
    wide: Any,
    registers: Any,
    moves: Any,
    state: Any,
    ends: Any,
    strategies: Any,
) -> None:
    """Steps ``span[0]`` up to ``span[1]`` of a recorded loop.

    Args:
        code: [operations, 5] operation, target, three operands; registers, of which 0 to 2 are t, the
            payoffs, the strategy.
        wide: [registers] does one hold an entry per strategy, or a single number?
        registers: [registers * width] as many numbers in each as a player has strategies.
        moves: [m, 2] register and row of ``state``; the first ``ends[0]`` are read before a step, the others
            written after it.
        ends: that number, then the register of the result.
        strategies: [s] where the players stand and, at the end, where they went.
    """
    first, ranks = tables[0], tables[1]
    players, largest, width = len(ranks), 1, len(registers) // len(wide)
    for rank in ranks:
        largest *= rank
    mixed, work = np.empty(players * width), np.empty(2 * largest)
    gains, moved = np.empty(len(strategies)), strategies.copy()
    for player in range(players):
        _mix(player, tables, strategies, mixed, width)
    for t in range(span[0], span[1]):
        for player in range(players):
            low, n = first[player], first[player + 1] - first[player]
            _payoffs(player, tables, mixed, width, work, gains)  # of where they stood, unless in turns
            registers[0] = t
            for i in range(n):
                registers[width + i], registers[2 * width + i] = gains[low + i], strategies[low + i]
            for k in range(ends[0]):
                for i in range(n):
                    registers[moves[k, 0] * width + i] = state[moves[k, 1], low + i]
            _compute(code, wide, registers, width, n)
            for k in range(ends[0], len(moves)):
                for i in range(n):
                    shift = i if wide[moves[k, 0]] else 0
                    state[moves[k, 1], low + i] = registers[moves[k, 0] * width + shift]
            for i in range(n):
                moved[low + i] = registers[ends[1] * width + i]
            if alternating:
                for i in range(n):
                    strategies[low + i] = moved[low + i]
                _mix(player, tables, strategies, mixed, width)
        if not alternating:
            strategies[:] = moved
            for player in range(players):
                _mix(player, tables, strategies, mixed, width)
