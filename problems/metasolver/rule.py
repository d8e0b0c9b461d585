"""The candidate half: gives a program its meta-game and runs its two solvers. Imports nothing of ours.

A rule's inner loop is ordinary PyTorch code, but thousands of steps on vectors of a hundred entries would
spend their time in PyTorch's dispatch. So ``MetaGame.repeat`` runs ``step`` once on stand-ins that record
what is computed, and a small machine that is compiled beforehand repeats the recording; what cannot be
recorded runs as it is written. (A candidate may load no machine code, so nothing is compiled for a program.)
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numba import njit, types
from scipy.optimize import linprog

QUANTITIES = {"train": ("epoch",), "evaluate": ("epoch",), "step": ("t", "payoff", "strategy")}
"""Method -> what it may ask for, by naming it as a parameter."""
STRETCHES = 40
"""Conditions on t may change so often before a loop is run as it is written."""
SAMPLE, EXACT = 400, 1e-12
"""Columns that a compression is made from; relative error of any payoff above which it is not used."""

_UNARY = ("neg", "abs", "sign", "exp", "log", "sqrt", "tanh", "copy")
_COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
_BINARY = ("add", "sub", "mul", "truediv", "pow", "maximum", "minimum", "mod", *_COMPARISONS)
_OPERATIONS = (*_UNARY, *_BINARY, "where", "sum", "max", "min", "normalise", "softmax", "project")
_CODES = {name: code for code, name in enumerate(_OPERATIONS)}
_NEG, _ABS, _SIGN, _EXP, _LOG, _SQRT, _TANH, _COPY = (_CODES[name] for name in _UNARY)
_ADD, _SUB, _MUL, _DIV, _POW, _MAXIMUM, _MINIMUM, _MOD = (_CODES[name] for name in _BINARY[:8])
_GT, _GE, _LT, _LE, _EQ = (_CODES[name] for name in _COMPARISONS[:5])
_WHERE, _SUM, _MAX, _MIN, _NORMALISE, _SOFTMAX, _PROJECT = range(_CODES["where"], len(_CODES))
_SUMS: Any = {"reassoc", "contract", "nsz"}
"""Liberties with sums, so that they use vector registers; NaN and infinity keep their meaning."""


class Invalid(ValueError):
    """What a method returned is no mixture."""

    status = "invalid"
    """How the run ends (``CandidateError.status``)."""


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
def _run(  # noqa: C901, PLR0913
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


def _compressed(payoffs: Sequence[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A skeleton of a player's strategies: (pivots [r], factor [n, r]).

    Payoffs against anything of strategy i are those of the pivots, weighted by row i of the factor: in a
    small game a large population spans few dimensions. Greedy, on a sample of the columns.
    """
    slices = [np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1) for tensor in payoffs]
    pick = np.linspace(0, slices[0].shape[1] - 1, min(SAMPLE, slices[0].shape[1])).astype(int)
    rest = np.concatenate([part[:, pick] for part in slices], axis=1)
    pivots: list[int] = []
    shares: list[np.ndarray] = []
    size = np.einsum("ij,ij->i", rest, rest)
    limit = 1e-26 * max(float(size.max()), 1e-300)
    while size.max() > limit and len(pivots) < len(rest):
        pivots.append(int(size.argmax()))
        direction = rest[pivots[-1]] / math.sqrt(size[pivots[-1]])
        shares.append(rest @ direction)  # of every strategy along the pivot's new direction
        rest -= np.outer(shares[-1], direction)
        size = np.einsum("ij,ij->i", rest, rest)
    if not pivots:
        return np.array([0]), np.ones((len(rest), 1))
    along = np.array(shares)  # [r, n]; its columns at the pivots are triangular
    return np.array(pivots), np.ascontiguousarray(np.linalg.solve(along[:, pivots], along).T)


def _tables(payoffs: Sequence[np.ndarray]) -> Any:
    """The payoffs as the compiled loops want them; tensors of three and more players are compressed."""
    players, counts = len(payoffs), np.array(payoffs[0].shape)
    factors: list[np.ndarray] = []
    cores = list(payoffs)
    if players > 2 and all(np.isfinite(tensor).all() for tensor in payoffs):
        found = [_compressed(payoffs, axis) for axis in range(players)]
        pivots = np.ix_(*(rows for rows, _ in found))
        cores, factors = [tensor[pivots] for tensor in payoffs], [factor for _, factor in found]
        if not all(_matches(core, factors, tensor) for core, tensor in zip(cores, payoffs, strict=True)):
            cores, factors = list(payoffs), []
    flat = [np.moveaxis(core, player, 0).ravel() for player, core in enumerate(cores)]
    sizes = [0, *np.cumsum([len(core) for core in flat])[:-1]]
    starts = np.cumsum([0, *(factor.size for factor in factors)])[:-1] if factors else np.full(players, -1)
    return (
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        np.array(cores[0].shape, dtype=np.int64),
        np.concatenate([*(factor.ravel() for factor in factors), np.zeros(1)]),
        np.array(starts, dtype=np.int64),
        np.concatenate(flat),
        np.array(sizes, dtype=np.int64),
    )


def _matches(core: np.ndarray, factors: Sequence[np.ndarray], tensor: np.ndarray) -> bool:
    """Is the tensor what its skeleton says, to rounding?"""
    for factor in factors:
        core = np.tensordot(core, factor, axes=(0, 1))
    return bool(np.abs(core - tensor).max() <= EXACT * max(float(np.abs(tensor).max()), 1e-300))


class MetaGame:
    """The meta-game as a rule sees it: N players, n strategies of each, s = N n entries, a player's adjacent.

    Helpers that reduce or spread work on the last dimension; leading ones pass through.
    """

    def __init__(self, players: int) -> None:
        self.players = players
        """N"""
        self.payoffs: list[torch.Tensor] = []
        """One tensor [n_1, ..., n_N] per player: its exact expected payoff for every profile."""
        self.update([np.zeros((1,) * players)] * players)

    def update(self, payoffs: Sequence[np.ndarray]) -> None:
        """Called before a rule is: the population has grown."""
        self.payoffs = [torch.from_numpy(tensor) for tensor in payoffs]
        self._tables = _tables(payoffs)
        self._first = self._tables[0]
        sizes = np.diff(self._first)
        self.sizes: list[int] = sizes.tolist()
        """Number of strategies of every player."""
        self.sequences = int(self._first[-1])
        """s, the number of entries."""
        self.strategies = torch.from_numpy(sizes.astype(np.float64))
        """[N] the same as a tensor."""
        self.index = torch.from_numpy(np.repeat(np.arange(self.players), sizes))
        """[s] player of each entry."""

    def zeros(self) -> torch.Tensor:
        """[s]"""
        return torch.zeros(self.sequences, dtype=torch.float64)

    def ones(self) -> torch.Tensor:
        """[s]"""
        return torch.ones(self.sequences, dtype=torch.float64)

    def uniform(self) -> torch.Tensor:
        """[s] every player's uniform mixture."""
        return 1.0 / torch.index_select(self.strategies, -1, self.index)

    def expand(self, y: Any) -> Any:
        """[..., N] -> [..., s]: a player's number at each of its strategies."""
        if isinstance(y, _Value):
            return y.expanded()
        return torch.index_select(y, -1, self.index)

    def sum(self, x: Any) -> Any:
        """[..., s] -> [..., N]: over the strategies of each player, like the three below."""
        return self._reduced("sum", torch.sum, x)

    def mean(self, x: Any) -> Any:
        return self.sum(x) / self.strategies

    def max(self, x: Any) -> Any:
        return self._reduced("max", torch.amax, x)

    def min(self, x: Any) -> Any:
        return self._reduced("min", torch.amin, x)

    def normalise(self, x: Any) -> Any:
        """[..., s] -> mixtures [..., s]: proportional to max(x, 0), uniform where no entry is positive."""
        return self._distributed("normalise", _normalised, x)

    def softmax(self, x: Any) -> Any:
        """[..., s] -> mixtures [..., s]: proportional to exp(x)."""
        return self._distributed("softmax", partial(torch.softmax, dim=-1), x)

    def project(self, x: Any, floor: float = 0.0) -> Any:
        """[..., s] -> the nearest mixtures [..., s] with no entry below ``floor``."""
        return self._distributed("project", partial(_projected, floor=floor), x, floor)

    def payoff(self, strategy: torch.Tensor) -> torch.Tensor:
        """[s] -> [s]: expected payoff of each strategy against the others' mixtures."""
        mixtures = torch.split(self._entries(strategy), self.sizes)
        found = []
        for player, tensor in enumerate(self.payoffs):
            for other in reversed(range(self.players)):
                if other != player:
                    tensor = torch.tensordot(tensor, mixtures[other], dims=([other], [0]))
            found.append(tensor)
        return torch.cat(found)

    def repeat(
        self,
        step: Callable[..., Any],
        steps: int,
        strategy: torch.Tensor | None = None,
        alternating: bool = True,
    ) -> torch.Tensor:
        """Learn in the meta-game: ``strategy = step(...)``, ``steps`` times.

        Args:
            step: a method of the rule; it may ask for ``t`` (from 1), ``payoff`` and ``strategy`` [s], keeps
                its state in attributes, and returns the next strategy [s].
            steps: how often.
            strategy: [s] where to start; uniform if not given.
            alternating: the players step one after another, each seeing where those before it went; else
                all at once.

        Returns:
            The last strategy [s].
        """
        here = self._entries(self.uniform() if strategy is None else strategy).clone()
        names = _parameters(step, "step")
        loop = _Loop(self, step, names, here, alternating)
        try:
            loop.run(int(steps))
        except _Unrecordable:
            loop.run_as_written(int(steps))
        return here

    def nash(self) -> torch.Tensor:
        """[s] every player's maximin mixture by linear programming (HiGHS): Nash if payoffs sum to zero.

        Raises:
            ValueError: there are not two players.
        """
        if self.players != 2:
            raise ValueError(f"nash() is for two players, and there are {self.players}; see `repeat`")
        first, second = self.payoffs
        return torch.cat([_maximin(first.numpy()), _maximin(second.numpy().T)])

    def _reduced(self, name: str, function: Callable[..., torch.Tensor], x: Any) -> Any:
        if isinstance(x, _Value):
            return x.trace.per_player(name, x, 0.0)
        parts = torch.split(self._entries(x), self.sizes, dim=-1)
        return torch.stack([function(part, dim=-1) for part in parts], dim=-1)

    def _distributed(
        self, name: str, function: Callable[[torch.Tensor], torch.Tensor], x: Any, floor: float = 0.0
    ) -> Any:
        if isinstance(x, _Value):
            return x.trace.per_player(name, x, floor)
        parts = torch.split(self._entries(x), self.sizes, dim=-1)
        return torch.cat([function(part) for part in parts], dim=-1)

    def _entries(self, x: torch.Tensor) -> torch.Tensor:
        if not isinstance(x, torch.Tensor) or x.shape[-1:] != (self.sequences,):
            shape = list(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise ValueError(f"expected [..., {self.sequences}] (one entry per strategy), got {shape}")
        return x.to(torch.float64).contiguous()


def _normalised(x: torch.Tensor) -> torch.Tensor:
    weights = torch.clamp(x, min=0.0)
    total = weights.sum(-1, keepdim=True)
    return torch.where(total == 0.0, 1.0 / x.shape[-1], weights / total)


def _projected(x: torch.Tensor, floor: float) -> torch.Tensor:
    """Held, Wolfe and Crowder 1974: the threshold is found among the sorted entries."""
    n, mass = x.shape[-1], 1.0 - x.shape[-1] * floor
    if mass <= 0.0:
        return torch.full_like(x, 1.0 / n)
    ordered = torch.sort(x - floor, dim=-1, descending=True).values
    thresholds = (torch.cumsum(ordered, -1) - mass) / torch.arange(1, n + 1)
    last = (ordered > thresholds).sum(-1, keepdim=True) - 1
    return torch.clamp(x - floor - torch.gather(thresholds, -1, last.clamp(min=0)), min=0.0) + floor


def _maximin(payoffs: np.ndarray) -> torch.Tensor:
    """max v subject to x payoffs >= v, x a mixture of the rows."""
    rows, columns = payoffs.shape
    scale = float(np.abs(payoffs).max()) or 1.0
    bounds = np.hstack((-payoffs.T / scale, np.ones((columns, 1))))
    found = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=bounds,
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
        method="highs",
    )
    if found.x is None:
        raise ValueError(f"the linear program has no answer: {found.message}")
    x = np.maximum(found.x[:-1], 0.0)
    return torch.from_numpy(x / x.sum())


def _parameters(method: Any, name: str) -> list[str]:
    names = list(inspect.signature(method).parameters)
    unknown = [asked for asked in names if asked not in QUANTITIES[name]]
    if unknown:
        raise ValueError(f"{name} asks for {unknown[0]!r}; it may ask for {', '.join(QUANTITIES[name])}")
    return names


class _Unrecordable(Exception):
    """The step does what the machine cannot repeat."""


class _Loop:
    """``steps`` steps of one rule, recorded stretch by stretch, or as written."""

    def __init__(
        self, game: MetaGame, step: Any, names: Sequence[str], strategy: torch.Tensor, alternating: bool
    ) -> None:
        self.game, self.step, self.names, self.strategy = game, step, names, strategy
        self.alternating = bool(alternating)
        self.rule = getattr(step, "__self__", None)

    def run(self, steps: int) -> None:
        """Raises _Unrecordable, before anything has changed, or after whole stretches."""
        self.done = 0
        for _ in range(STRETCHES):
            if self.done >= steps:
                return
            trace = _Trace(self.game, self.done + 1)
            result = self._recorded(trace)
            end = trace.until(steps)
            trace.run(end, result, self.strategy, self.alternating)
            self.done = end - 1
        if self.done < steps:
            raise _Unrecordable

    def run_as_written(self, steps: int) -> None:
        first = self.game._first
        for t in range(self.done + 1, steps + 1):
            if not self.alternating:
                self.strategy.copy_(self._called(t, self.strategy.clone()))
                continue
            for player in range(self.game.players):
                span = slice(first[player], first[player + 1])
                before = {name: value.clone() for name, value in self._state().items()}
                moved = self._called(t, self.strategy.clone())
                self.strategy[span] = moved[span]
                for name, value in self._state().items():  # the others' part of the state has not moved
                    if name in before and before[name].shape == value.shape:
                        own = span if value.shape[-1] == self.game.sequences else slice(player, player + 1)
                        before[name][..., own] = value[..., own]
                        setattr(self.rule, name, before[name])

    def _called(self, t: int, strategy: torch.Tensor) -> torch.Tensor:
        values = {"t": t, "strategy": strategy}
        if "payoff" in self.names:
            values["payoff"] = self.game.payoff(strategy)
        return self.game._entries(self.step(*[values[name] for name in self.names]))

    def _state(self) -> dict[str, torch.Tensor]:
        shapes = ((self.game.sequences,), (self.game.players,))
        items = vars(self.rule).items() if self.rule is not None else ()
        return {n: v for n, v in items if isinstance(v, torch.Tensor) and tuple(v.shape[-1:]) in shapes}

    def _recorded(self, trace: _Trace) -> _Value:
        """The step's result; the rule's attributes are put back, and what they became goes to the trace."""
        attributes = {} if self.rule is None else vars(self.rule)
        if self.rule is None or not all(isinstance(v, _PLAIN) for v in attributes.values()):
            raise _Unrecordable
        before = dict(attributes)
        given = {"t": trace.inputs[0], "payoff": trace.inputs[1], "strategy": trace.inputs[2]}
        try:
            for name, value in before.items():
                if isinstance(value, torch.Tensor):
                    attributes[name] = trace.read(value)
            result = self.step(*[given[name] for name in self.names])
            for name, value in attributes.items():
                if name not in before or not isinstance(before[name], torch.Tensor):
                    if value is not before.get(name, self):
                        raise _Unrecordable
                else:
                    trace.write(before[name], value)
        finally:
            attributes.clear()
            attributes.update(before)
        return trace.value(result).expanded()


class _Trace:
    """A recording: registers, the operations on them, and what is read from and written to tensors."""

    def __init__(self, game: MetaGame, t: int) -> None:
        self.game, self.t = game, t
        self.wide: list[int] = []
        self.code: list[tuple[int, int, int, int, int]] = []
        self.numbers: dict[int, float] = {}
        self.reads: list[tuple[int, torch.Tensor]] = []
        self.writes: list[tuple[int, torch.Tensor]] = []
        self.guards: list[tuple[Callable[[int], Any], bool]] = []
        self.known: dict[Any, _Value] = {}
        self.inputs = [self.new("number"), self.new("entry"), self.new("entry")]
        self.inputs[0].at = float

    def new(self, kind: str) -> _Value:
        self.wide.append(int(kind == "entry"))
        return _Value(self, len(self.wide) - 1, kind)

    def read(self, tensor: torch.Tensor) -> _Value:
        """A tensor from outside: per entry, per player, or a single number."""
        shapes: dict[tuple[int, ...], str]
        shapes = {(self.game.players,): "group", (self.game.sequences,): "entry"}  # both with one strategy
        if tensor.numel() == 1 and tensor.dim() == 0:
            return self.value(tensor.item())
        if tuple(tensor.shape) not in shapes or tensor.dtype != torch.float64:
            raise _Unrecordable
        key = ("tensor", id(tensor))
        if key not in self.known:
            self.known[key] = self.new(shapes[tuple(tensor.shape)])
            self.reads.append((self.known[key].register, tensor))
        return self.known[key].copy()

    def write(self, tensor: torch.Tensor, value: Any) -> None:
        new, old = self.value(value), self.read(tensor)
        if new.kind == "number" and old.kind != "number" or new.kind == "group" and old.kind == "entry":
            raise _Unrecordable
        if new.kind != old.kind:
            raise _Unrecordable
        if new.register != old.register:
            self.writes.append((new.register, tensor))

    def value(self, x: Any) -> _Value:
        if isinstance(x, _Value):
            return x
        if isinstance(x, torch.Tensor):
            return self.read(x)
        if not isinstance(x, int | float):
            raise _Unrecordable
        key = ("number", float(x))
        if key not in self.known:
            self.known[key] = self.new("number")
            self.numbers[self.known[key].register] = float(x)
            self.known[key].at = lambda t: x
        return self.known[key].copy()

    def emit(self, name: str, kind: str, operands: Sequence[_Value]) -> _Value:
        registers = [value.register for value in operands] + [0] * (3 - len(operands))
        key = (name, *registers)
        if key not in self.known:
            self.known[key] = self.new(kind)
            self.code.append((_CODES[name], self.known[key].register, *registers))  # type: ignore[arg-type]
        return self.known[key].copy()

    def elementwise(self, name: str, *given: Any) -> _Value:
        operands = [self.value(x) for x in given]
        kinds = {operand.kind for operand in operands}
        if {"entry", "group"} <= kinds:
            raise _Unrecordable  # as written PyTorch will say what is wrong
        if "entry" in kinds:
            operands = [operand.expanded() for operand in operands]
        kind = next(k for k in ("entry", "group", "number") if k in kinds)
        result = self.emit(name, kind, operands)
        function, parts = _EXACTLY.get(name), [operand.at for operand in operands if operand.at]
        if kind == "number" and function is not None and len(parts) == len(operands):
            result.at = lambda t: function(*[part(t) for part in parts])
        return result

    def per_player(self, name: str, x: _Value, floor: Any) -> _Value:
        if x.kind != "entry":
            raise _Unrecordable
        grouping = name in ("sum", "max", "min") and self.game.sequences > self.game.players
        return self.emit(name, "group" if grouping else "entry", [x, self.value(floor)])

    def until(self, steps: int) -> int:
        """First t after the start at which a condition turns out otherwise, at most steps + 1."""
        t = self.t + 1
        while t <= steps and all(bool(test(t)) == outcome for test, outcome in self.guards):
            t += 1
        return t

    def run(self, end: int, result: _Value, strategy: torch.Tensor, alternating: bool) -> None:
        width = max(self.game.sizes)
        registers = np.zeros(len(self.wide) * width)
        for register, number in self.numbers.items():
            registers[register * width] = number
        moves: list[tuple[int, int]] = []
        rows: dict[int, int] = {}
        tensors: list[torch.Tensor] = []
        for register, tensor in [*self.reads, *self.writes]:
            if id(tensor) not in rows:
                rows[id(tensor)] = len(tensors)
                tensors.append(tensor)
            moves.append((register, rows[id(tensor)]))
        spread = [t if len(t) == self.game.sequences else t[self.game.index] for t in tensors]
        state = np.stack([t.numpy() for t in spread]) if spread else np.zeros((1, self.game.sequences))
        _run(
            self.game._tables,
            np.array([self.t, end]),
            alternating,
            np.array(self.code, dtype=np.int64).reshape(-1, 5),
            np.array(self.wide, dtype=np.int64),
            registers,
            np.array(moves, dtype=np.int64).reshape(-1, 2),
            state,
            np.array([len(self.reads), result.register]),
            strategy.numpy(),
        )
        firsts = self.game._first[:-1]
        for _, tensor in self.writes:
            row = state[rows[id(tensor)]]
            tensor.copy_(torch.from_numpy(row if len(tensor) == self.game.sequences else row[firsts]))


class _Value:
    """Stands for a number, a number per player (group) or per strategy (entry) while a step is recorded."""

    def __init__(self, trace: _Trace, register: int, kind: str) -> None:
        self.trace, self.register, self.kind = trace, register, kind
        self.at: Callable[[int], Any] | None = None
        """The value as a function of t, where it depends on nothing else."""

    def copy(self) -> _Value:
        """The same value in another object, for operations in place change objects."""
        other = _Value(self.trace, self.register, self.kind)
        other.at = self.at
        return other

    def expanded(self) -> _Value:
        return self if self.kind == "entry" else self.trace.emit("copy", "entry", [self])

    def __bool__(self) -> bool:
        if self.at is None:
            raise _Unrecordable
        outcome = bool(self.at(self.trace.t))
        self.trace.guards.append((self.at, outcome))
        return outcome

    def __float__(self) -> float:
        raise _Unrecordable

    __index__ = __int__ = __len__ = __iter__ = __getitem__ = __setitem__ = __float__

    def __getattr__(self, name: str) -> Any:
        """Methods of tensors: those of the same name in torch, and with a final underscore in place."""
        if name.startswith("__"):
            raise AttributeError(name)
        function = _TORCH.get(name.removesuffix("_"))
        if function is None:
            raise _Unrecordable
        if not name.endswith("_"):
            return lambda *args, **more: function(self.trace, self, *args, **more)
        return lambda *args, **more: self._become(function(self.trace, self, *args, **more))

    def _become(self, other: _Value) -> _Value:
        if other.kind != self.kind:
            raise _Unrecordable
        self.register, self.at = other.register, other.at
        return self

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = _TORCH.get(function.__name__)
        trace = next((x.trace for x in (*args, *(kwargs or {}).values()) if isinstance(x, _Value)), None)
        if known is None or trace is None:
            raise _Unrecordable
        return known(trace, *args, **(kwargs or {}))


_PLAIN = (torch.Tensor, int, float, str, type(None), MetaGame)
_EXACTLY: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in ("neg", "add", "sub", "mul", "truediv", "pow", "mod", *_COMPARISONS)
}


def _plain(name: str) -> Callable[..., _Value]:
    def record(trace: _Trace, *given: Any) -> _Value:
        return trace.elementwise(name, *given)

    return record


def _scaled(name: str) -> Callable[..., _Value]:
    """torch.add and torch.sub with their factor ``alpha``."""

    def record(trace: _Trace, x: Any, y: Any, *, alpha: Any = 1) -> _Value:
        scaled = y if isinstance(alpha, int) and alpha == 1 else trace.elementwise("mul", y, alpha)
        return trace.elementwise(name, x, scaled)

    return record


def _clamp(trace: _Trace, x: Any, min: Any = None, max: Any = None) -> _Value:
    for name, bound in (("maximum", min), ("minimum", max)):
        x = x if bound is None else trace.elementwise(name, x, bound)
    return trace.value(x)


def _where(trace: _Trace, condition: Any, x: Any, y: Any) -> _Value:
    return trace.elementwise("where", condition, x, y)


_TORCH: dict[str, Callable[..., _Value]] = {name: _plain(name) for name in (*_UNARY, *_BINARY)} | {
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "div": _plain("truediv"),
    "remainder": _plain("mod"),
    "true_divide": _plain("truediv"),
    "where": _where,
    "clamp": _clamp,
    "clip": _clamp,
    "relu": lambda trace, x: trace.elementwise("maximum", x, 0.0),
    "square": lambda trace, x: trace.elementwise("mul", x, x),
    "reciprocal": lambda trace, x: trace.elementwise("truediv", 1.0, x),
    "clone": lambda trace, x: trace.value(x).copy(),
    "lerp": lambda trace, x, y, w: _TORCH["add"](trace, x, trace.elementwise("mul", w, y - x)),
}


def _operators() -> None:
    """Python's operators on stand-ins."""

    def method(name: str, swapped: bool) -> Callable[..., _Value]:
        if swapped:
            return lambda self, other: self.trace.elementwise(name, other, self)
        return lambda self, *others: self.trace.elementwise(name, self, *others)

    for name in ("add", "sub", "mul", "truediv", "pow", "mod"):
        setattr(_Value, f"__{name}__", method(name, swapped=False))
        setattr(_Value, f"__r{name}__", method(name, swapped=True))
    for name in ("neg", "abs", *_COMPARISONS):
        setattr(_Value, f"__{name}__", method(name, swapped=False))


_operators()


def serve(
    program: dict[str, Any], setup: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[Callable[[], None]]:
    """One ``Rule`` for the whole run. Operation 0 trains, operation 1 evaluates.

    Args:
        program: what executing the source left, with ``Rule`` in it.
        setup: ``players``.
        arrays: ``payoffs`` [N, capacity, ..., capacity], filled up to ``size`` [1]; ``mixtures``
            [N, capacity], where the answer goes.
    """
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)
    seat = _Seat(program["Rule"], setup["players"], arrays)
    return [lambda: seat.answer("train"), lambda: seat.answer("evaluate")]


class _Seat:
    """A rule, its meta-game, and the shared arrays."""

    def __init__(self, rule: Any, players: int, arrays: dict[str, np.ndarray]) -> None:
        self.arrays, self.game = arrays, MetaGame(players)
        self.rule = rule(self.game)
        self.asked = {name: _parameters(getattr(self.rule, name), name) for name in ("train", "evaluate")}

    def answer(self, method: str) -> None:
        size = int(self.arrays["size"][0])
        if size != self.game.sizes[0]:
            self._grow(size)
        answer = getattr(self.rule, method)(*[size for _ in self.asked[method]])
        if isinstance(answer, list | tuple) and all(isinstance(part, torch.Tensor) for part in answer):
            answer = torch.cat([part.reshape(-1) for part in answer])
        if not isinstance(answer, torch.Tensor) or answer.shape != (self.game.sequences,):
            shape = list(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
            raise Invalid(f"{method} must return a tensor [{self.game.sequences}], not {shape}")
        self.arrays["mixtures"][:, :size] = answer.reshape(self.game.players, size).numpy()

    def _grow(self, size: int) -> None:
        """New strategies enter every attribute that has an entry per strategy with zero."""
        before, players = self.game.sizes[0], self.game.players
        corner = (slice(size),) * players
        self.game.update([np.ascontiguousarray(tensor[corner]) for tensor in self.arrays["payoffs"]])
        for name, value in list(vars(self.rule).items()):
            if isinstance(value, torch.Tensor) and value.shape[-1:] == (players * before,):
                wider = value.new_zeros((*value.shape[:-1], players, size))
                wider[..., :before] = value.reshape(*value.shape[:-1], players, before)
                setattr(self.rule, name, wider.reshape(*value.shape[:-1], players * size))


def _warm_up() -> None:
    """Solve one small program of every kind, so that a candidate need load nothing any more."""
    _maximin(np.array([[1.0, 0.0], [0.0, 1.0]]))


_warm_up()
