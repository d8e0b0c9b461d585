"""A step of a rule's inner loop, recorded: run once on stand-ins that note what is computed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .machine import BINARY, CODES, COMPARISONS, UNARY, run

if TYPE_CHECKING:
    from .game import MetaGame


class Unrecordable(Exception):
    """The step does what the machine cannot repeat."""


class Trace:
    """A recording: registers, the operations on them, and what is read from and written to tensors."""

    def __init__(self, game: MetaGame, t: int) -> None:
        self.game, self.t = game, t
        self.wide: list[int] = []
        self.code: list[tuple[int, int, int, int, int]] = []
        self.numbers: dict[int, float] = {}
        self.reads: list[tuple[int, torch.Tensor]] = []
        self.writes: list[tuple[int, torch.Tensor]] = []
        self.guards: list[tuple[Callable[[int], Any], bool]] = []
        self.known: dict[Any, Value] = {}
        self.inputs = [self.new("number"), self.new("entry"), self.new("entry")]
        self.inputs[0].at = float

    def new(self, kind: str) -> Value:
        self.wide.append(int(kind == "entry"))
        return Value(self, len(self.wide) - 1, kind)

    def read(self, tensor: torch.Tensor) -> Value:
        """A tensor from outside: per entry, per player, or a single number."""
        shapes: dict[tuple[int, ...], str]
        shapes = {(self.game.players,): "group", (self.game.sequences,): "entry"}  # both with one strategy
        if tensor.numel() == 1 and tensor.dim() == 0:
            return self.value(tensor.item())
        if tuple(tensor.shape) not in shapes or tensor.dtype != torch.float64:
            raise Unrecordable
        key = ("tensor", id(tensor))
        if key not in self.known:
            self.known[key] = self.new(shapes[tuple(tensor.shape)])
            self.reads.append((self.known[key].register, tensor))
        return self.known[key].copy()

    def write(self, tensor: torch.Tensor, value: Any) -> None:
        new, old = self.value(value), self.read(tensor)
        if new.kind == "number" and old.kind != "number" or new.kind == "group" and old.kind == "entry":
            raise Unrecordable
        if new.kind != old.kind:
            raise Unrecordable
        if new.register != old.register:
            self.writes.append((new.register, tensor))

    def value(self, x: Any) -> Value:
        if isinstance(x, Value):
            return x
        if isinstance(x, torch.Tensor):
            return self.read(x)
        if not isinstance(x, int | float):
            raise Unrecordable
        key = ("number", float(x))
        if key not in self.known:
            self.known[key] = self.new("number")
            self.numbers[self.known[key].register] = float(x)
            self.known[key].at = lambda t: x
        return self.known[key].copy()

    def emit(self, name: str, kind: str, operands: Sequence[Value]) -> Value:
        registers = [value.register for value in operands] + [0] * (3 - len(operands))
        key = (name, *registers)
        if key not in self.known:
            self.known[key] = self.new(kind)
            self.code.append((CODES[name], self.known[key].register, *registers))  # type: ignore[arg-type]
        return self.known[key].copy()

    def elementwise(self, name: str, *given: Any) -> Value:
        operands = [self.value(x) for x in given]
        kinds = {operand.kind for operand in operands}
        if {"entry", "group"} <= kinds:
            raise Unrecordable  # as written PyTorch will say what is wrong
        if "entry" in kinds:
            operands = [operand.expanded() for operand in operands]
        kind = next(k for k in ("entry", "group", "number") if k in kinds)
        result = self.emit(name, kind, operands)
        function, parts = _EXACTLY.get(name), [operand.at for operand in operands if operand.at]
        if kind == "number" and function is not None and len(parts) == len(operands):
            result.at = lambda t: function(*[part(t) for part in parts])
        return result

    def per_player(self, name: str, x: Value, floor: Any) -> Value:
        if x.kind != "entry":
            raise Unrecordable
        grouping = name in ("sum", "max", "min") and self.game.sequences > self.game.players
        return self.emit(name, "group" if grouping else "entry", [x, self.value(floor)])

    def until(self, steps: int) -> int:
        """First t after the start at which a condition turns out otherwise, at most steps + 1."""
        t = self.t + 1
        while t <= steps and all(bool(test(t)) == outcome for test, outcome in self.guards):
            t += 1
        return t

    def run(self, end: int, result: Value, strategy: torch.Tensor, alternating: bool) -> None:
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
        run(
            self.game._tables(),
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


class Value:
    """Stands for a number, a number per player (group) or per strategy (entry) while a step is recorded."""

    def __init__(self, trace: Trace, register: int, kind: str) -> None:
        self.trace, self.register, self.kind = trace, register, kind
        self.at: Callable[[int], Any] | None = None
        """The value as a function of t, where it depends on nothing else."""

    def copy(self) -> Value:
        """The same value in another object, for operations in place change objects."""
        other = Value(self.trace, self.register, self.kind)
        other.at = self.at
        return other

    def expanded(self) -> Value:
        return self if self.kind == "entry" else self.trace.emit("copy", "entry", [self])

    def __bool__(self) -> bool:
        if self.at is None:
            raise Unrecordable
        outcome = bool(self.at(self.trace.t))
        self.trace.guards.append((self.at, outcome))
        return outcome

    def __float__(self) -> float:
        raise Unrecordable

    __index__ = __int__ = __len__ = __iter__ = __getitem__ = __setitem__ = __float__

    def __getattr__(self, name: str) -> Any:
        """Methods of tensors: those of the same name in torch, and with a final underscore in place."""
        if name.startswith("__"):
            raise AttributeError(name)
        function = _TORCH.get(name.removesuffix("_"))
        if function is None:
            raise Unrecordable
        if not name.endswith("_"):
            return lambda *args, **more: function(self.trace, self, *args, **more)
        return lambda *args, **more: self._become(function(self.trace, self, *args, **more))

    def _become(self, other: Value) -> Value:
        if other.kind != self.kind:
            raise Unrecordable
        self.register, self.at = other.register, other.at
        return self

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = _TORCH.get(function.__name__)
        trace = next((x.trace for x in (*args, *(kwargs or {}).values()) if isinstance(x, Value)), None)
        if known is None or trace is None:
            raise Unrecordable
        return known(trace, *args, **(kwargs or {}))


_EXACTLY: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in ("neg", "add", "sub", "mul", "truediv", "pow", "mod", *COMPARISONS)
}


def _plain(name: str) -> Callable[..., Value]:
    def record(trace: Trace, *given: Any) -> Value:
        return trace.elementwise(name, *given)

    return record


def _scaled(name: str) -> Callable[..., Value]:
    """torch.add and torch.sub with their factor ``alpha``."""

    def record(trace: Trace, x: Any, y: Any, *, alpha: Any = 1) -> Value:
        scaled = y if isinstance(alpha, int) and alpha == 1 else trace.elementwise("mul", y, alpha)
        return trace.elementwise(name, x, scaled)

    return record


def _clamp(trace: Trace, x: Any, min: Any = None, max: Any = None) -> Value:
    for name, bound in (("maximum", min), ("minimum", max)):
        x = x if bound is None else trace.elementwise(name, x, bound)
    return trace.value(x)


def _where(trace: Trace, condition: Any, x: Any, y: Any) -> Value:
    return trace.elementwise("where", condition, x, y)


_TORCH: dict[str, Callable[..., Value]] = {name: _plain(name) for name in (*UNARY, *BINARY)} | {
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

    def method(name: str, swapped: bool) -> Callable[..., Value]:
        if swapped:
            return lambda self, other: self.trace.elementwise(name, other, self)
        return lambda self, *others: self.trace.elementwise(name, self, *others)

    for name in ("add", "sub", "mul", "truediv", "pow", "mod"):
        setattr(Value, f"__{name}__", method(name, swapped=False))
        setattr(Value, f"__r{name}__", method(name, swapped=True))
    for name in ("neg", "abs", *COMPARISONS):
        setattr(Value, f"__{name}__", method(name, swapped=False))


_operators()
