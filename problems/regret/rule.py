"""The candidate half: gives a program its infosets and runs its three methods. Imports nothing of ours."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numba import cfunc, types

QUANTITIES = ("t", "policy", "regret", "realisation", "reach", "opponent_reach")
"""What a method may ask for, by naming it as a parameter."""
METHODS = ("accumulate_average", "accumulate_regret", "next_policy", "average_policy")


class Invalid(ValueError):
    """What a method returned is no policy."""

    status = "invalid"
    """How the run ends (``CandidateError.status``)."""


class Infosets:
    """The infosets of one player, ragged: n infosets and s entries, one per infoset and legal action.

    The entries of one infoset are adjacent. Helpers work on the last dimension; leading ones pass through.

    Where several settings of a rule's constants run at once, fresh tensors are [batch, s], and what lies side
    by side in memory is the batch: the same rule runs unchanged, on vectors instead of numbers.
    """

    def __init__(self, first: np.ndarray, batch: int = 0) -> None:
        self._batch = batch
        self._first = np.ascontiguousarray(first, dtype=np.uint64)
        self._address = self._first.ctypes.data
        sizes: Any = np.diff(first.astype(np.int64))
        self.count = len(sizes)
        """n, the number of infosets."""
        self.sequences = int(first[-1])
        """s, the number of entries."""
        self._plain, self._wide = torch.Size([self.sequences]), torch.Size([batch, self.sequences])
        self.actions = torch.from_numpy(sizes.astype(np.float64))
        """[n] number of actions."""
        self.index = torch.from_numpy(np.repeat(np.arange(self.count), sizes))
        """[s] infoset of each entry."""

    def zeros(self) -> torch.Tensor:
        """[s]"""
        return self._fresh(self.sequences).zero_()

    def ones(self) -> torch.Tensor:
        """[s]"""
        return self._fresh(self.sequences).fill_(1.0)

    def uniform(self) -> torch.Tensor:
        """[s] the uniform policy."""
        return self.ones() / torch.index_select(self.actions, 0, self.index)

    def expand(self, y: torch.Tensor) -> torch.Tensor:
        """[..., n] -> [..., s]: an infoset's number at each of its actions."""
        if self._batch and y.dim() == 2:
            return torch.index_select(y.mT, 0, self.index).mT  # keeps the batch innermost
        return torch.index_select(y, -1, self.index)

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """[..., s] -> [..., n]: over the actions of each infoset, like the three below."""
        return self._reduce(_SUMS, x)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        return self.sum(x) / self.actions

    def max(self, x: torch.Tensor) -> torch.Tensor:
        return self._reduce(_MAXIMA, x)

    def min(self, x: torch.Tensor) -> torch.Tensor:
        return -self.max(-x)

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """[..., s] -> policy [..., s]: proportional to max(x, 0), uniform where no entry is positive."""
        x = self._entries(x)
        out = torch.empty_like(x)
        native, width = (_NORMALISE_BATCH, self._batch) if self._is_wide(x) else (_NORMALISE, self._rows(x))
        native(x.data_ptr(), self._address, self.count, width, out.data_ptr())
        return out

    def softmax(self, x: torch.Tensor) -> torch.Tensor:
        """[..., s] -> policy [..., s]"""
        weights = torch.exp(x - self.expand(self.max(x)))
        return weights / self.expand(self.sum(weights))

    def _reduce(
        self, native: tuple[Callable[..., None], Callable[..., None]], x: torch.Tensor
    ) -> torch.Tensor:
        x = self._entries(x)
        if self._is_wide(x):
            out = self._fresh(self.count)
            native[1](x.data_ptr(), self._address, self.count, self._batch, out.data_ptr())
        else:
            out = x.new_empty((*x.shape[:-1], self.count))
            native[0](x.data_ptr(), self._address, self.count, self._rows(x), out.data_ptr())
        return out

    def _fresh(self, size: int) -> torch.Tensor:
        if self._batch:
            return torch.empty(size, self._batch, dtype=torch.float64).mT
        return torch.empty(size, dtype=torch.float64)

    def _rows(self, x: torch.Tensor) -> int:
        return x.numel() // self.sequences

    def _is_wide(self, x: torch.Tensor) -> bool:
        """Whether the batch is innermost in memory."""
        return self._batch > 0 and x.shape == self._wide and x.stride() == (1, self._batch)

    def _entries(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape == self._plain and x.dtype is torch.float64 and x.is_contiguous():
            return x
        if x.shape[-1:] != self._plain:
            raise ValueError(f"expected [..., {self.sequences}] (one per action), got {list(x.shape)}")
        if x.dtype is not torch.float64 or not (x.is_contiguous() or self._is_wide(x)):
            x = x.to(torch.float64).contiguous()
        return x


_ONE, _TWO = np.uint64(1), np.uint64(2)
_POINTER = types.CPointer(types.float64)
_SIGNATURE = types.void(_POINTER, types.CPointer(types.uint64), types.uint64, types.uint64, _POINTER)


def _native(function: Callable[..., None]) -> Callable[..., None]:
    """Machine code called with bare addresses: a third of the cost of passing arrays."""
    compiled: Any = cfunc(_SIGNATURE, cache=True)(function)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_size_t] * 5)(compiled.address)


@_native
def _SUM(x: Any, first: Any, count: int, rows: int, out: Any) -> None:
    for row in range(rows):
        shift = row * first[count]
        for i in range(count):
            total = 0.0
            for k in range(first[i], first[i + _ONE]):
                total += x[shift + k]
            out[row * count + i] = total


@_native
def _MAX(x: Any, first: Any, count: int, rows: int, out: Any) -> None:
    for row in range(rows):
        shift = row * first[count]
        for i in range(count):
            best = x[shift + first[i]]
            for k in range(first[i] + _ONE, first[i + _ONE]):
                best = max(best, x[shift + k])
            out[row * count + i] = best


@_native
def _NORMALISE(x: Any, first: Any, count: int, rows: int, out: Any) -> None:
    for row in range(rows):
        shift = row * first[count]
        for i in range(count):
            low, high = shift + first[i], shift + first[i + _ONE]
            if high - low == _TWO:  # most have two or one; the loops below take four times as long
                one = x[low] if x[low] > 0.0 else 0.0
                other = x[low + _ONE] if x[low + _ONE] > 0.0 else 0.0
                total = one + other
                scale = 1.0 / total if total > 0.0 else 0.0
                rest = 0.0 if total > 0.0 else 0.5
                out[low], out[low + _ONE] = one * scale + rest, other * scale + rest
                continue
            if high - low == _ONE:
                out[low] = x[low] * (1.0 / x[low]) if x[low] > 0.0 else 1.0
                continue
            total = 0.0
            for k in range(low, high):
                weight = x[k] if x[k] > 0.0 else 0.0
                out[k] = weight
                total += weight
            scale = 1.0 / total if total > 0.0 else 0.0
            rest = 0.0 if total > 0.0 else 1.0 / (high - low)
            for k in range(low, high):
                out[k] = out[k] * scale + rest


@_native
def _SUM_BATCH(x: Any, first: Any, count: int, width: int, out: Any) -> None:
    for i in range(count):
        for b in range(width):
            out[i * width + b] = 0.0
        for k in range(first[i], first[i + _ONE]):
            for b in range(width):
                out[i * width + b] += x[k * width + b]


@_native
def _MAX_BATCH(x: Any, first: Any, count: int, width: int, out: Any) -> None:
    for i in range(count):
        for b in range(width):
            out[i * width + b] = x[first[i] * width + b]
        for k in range(first[i] + _ONE, first[i + _ONE]):
            for b in range(width):
                out[i * width + b] = max(out[i * width + b], x[k * width + b])


@_native
def _NORMALISE_BATCH(x: Any, first: Any, count: int, width: int, out: Any) -> None:
    scale, rest = np.empty(width), np.empty(width)
    for i in range(count):
        low, high = first[i], first[i + _ONE]
        scale[:] = 0.0
        for k in range(low, high):
            for b in range(width):
                scale[b] += x[k * width + b] if x[k * width + b] > 0.0 else 0.0
        for b in range(width):
            rest[b] = 0.0 if scale[b] > 0.0 else 1.0 / (high - low)
            scale[b] = 1.0 / scale[b] if scale[b] > 0.0 else 0.0
        for k in range(low, high):
            for b in range(width):
                weight = x[k * width + b] if x[k * width + b] > 0.0 else 0.0
                out[k * width + b] = weight * scale[b] + rest[b]


_SUMS, _MAXIMA = (_SUM, _SUM_BATCH), (_MAX, _MAX_BATCH)


def serve(
    program: dict[str, Any], setup: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[Callable[[], None]]:
    """One fresh ``Rule`` per player. Operation p lets player p learn, N + p writes its average policy.

    Args:
        program: what executing the source left, with ``Rule`` in it.
        setup: ``first`` [I + 1] entries of every infoset, players one after another; ``start`` [N + 1]
            infosets of every player; ``constants``, where present, B settings of the rule's constants.
        arrays: ``exchange`` [3 S + I], of all players: policy, regret, realisation [S] and the opponents'
            reach [I]; with ``constants`` it has a last dimension B. ``wants`` [1], set to one if the rule
            asks for the opponents' reach.
    """
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # discounts halve unreached regrets into denormals, which are slow
    return seated(program["Rule"], setup, arrays, Infosets)


def seated(
    rule: Any, setup: dict[str, Any], arrays: dict[str, Any], infosets: Callable[[np.ndarray, int], Infosets]
) -> list[Callable[[], None]]:
    """What ``serve`` returns, with ``infosets`` for the players' helper; ``arrays`` may also be tensors."""
    first, start = setup["first"].astype(np.int64), setup["start"].astype(np.int64)
    batch, exchange = len(setup.get("constants", ())), torch.as_tensor(arrays["exchange"])
    names = ("policy", "regret", "realisation", "opponent_reach")
    whole = dict(zip(names, torch.tensor_split(exchange, tuple(first[-1] * np.arange(1, 4))), strict=True))
    players = []
    with _without_autograd(True):
        if batch:
            rule = _with_constants(rule, setup["constants"], exchange.device)
        for low, high in zip(start[:-1], start[1:], strict=True):
            spans = [slice(first[low], first[high])] * 3 + [slice(low, high)]
            own = {
                name: whole[name][span].mT if batch else whole[name][span]
                for name, span in zip(names, spans, strict=True)
            }
            players.append(_Player(rule, infosets(first[low : high + 1] - first[low], batch), own))
    arrays["wants"][0] = any("opponent_reach" in player.asked for player in players)
    return [player.learn for player in players] + [player.write_average for player in players]


_without_autograd: Any = torch._C._InferenceMode
"""``torch.inference_mode`` without its layer of Python, which costs as much as an operation."""


def _with_constants(rule: Any, settings: list[dict[str, float]], device: torch.device) -> Any:
    """The rule with a constant that differs between settings as a tensor [B, 1], another one as a number."""
    constants: dict[str, Any] = {}
    for name in settings[0]:
        if not hasattr(rule, name):
            raise ValueError(f"the rule has no constant {name}")
        values = [setting[name] for setting in settings]
        alike = all(value == values[0] for value in values)
        constants[name] = (
            values[0] if alike else torch.tensor(values, dtype=torch.float64, device=device)[:, None]
        )
    return type("Rule", (rule,), constants)


class _Player:
    """One player's rule and its views of the shared arrays."""

    def __init__(self, rule: Any, infosets: Infosets, shared: dict[str, torch.Tensor]) -> None:
        self.infosets, self.proposed = infosets, shared.pop("policy")
        self.t, self.shape = 0, self.proposed.shape
        self.policy = infosets.uniform()
        self.rule = rule(infosets)
        names = {method: _parameters(rule, method) for method in METHODS}
        self.asked = {name for wanted in names.values() for name in wanted}
        needed = self.asked | ({"realisation"} if "reach" in self.asked else set())
        self.copies = [(name, given.clone) for name, given in shared.items() if name in needed]
        self.steps = [(getattr(self.rule, method), _picked(names[method])) for method in METHODS[:3]]
        self.average_policy = self.rule.average_policy
        self.wants_reach = "reach" in self.asked

    def learn(self) -> None:
        with _without_autograd(True):
            self.t += 1
            values: dict[str, Any] = {"t": self.t, "policy": self.policy}
            for name, copy in self.copies:
                values[name] = copy()
            if self.wants_reach:
                values["reach"] = self.infosets.sum(values["realisation"])
            for method, pick in self.steps:
                result = method(*pick(values))
            self.policy = self._write("next_policy", result)

    def write_average(self) -> None:
        with _without_autograd(True):
            self._write("average_policy", self.average_policy())

    def _write(self, method: str, policy: Any) -> torch.Tensor:
        if not isinstance(policy, torch.Tensor) or policy.shape != self.shape:
            shape = list(policy.shape) if isinstance(policy, torch.Tensor) else type(policy).__name__
            raise Invalid(f"{method} must return a tensor [{self.infosets.sequences}], not {shape}")
        self.proposed.copy_(policy)
        return policy


def _picked(names: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Values of these names, as arguments. It runs three times per crossing, hence no loop over the names."""
    if len(names) > 1:
        return itemgetter(*names)
    if not names:
        return lambda values: ()
    only = names[0]
    return lambda values: (values[only],)


def _parameters(rule: Any, method: str) -> list[str]:
    names = list(inspect.signature(getattr(rule, method)).parameters)[1:]
    unknown = [name for name in names if name not in QUANTITIES]
    if unknown:
        raise ValueError(f"{method} asks for {unknown[0]!r}; it may ask for {', '.join(QUANTITIES)}")
    return names
