"""A rule's inner loop: recorded stretch by stretch and repeated by the machine, or run as it is written."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from .trace import Trace, Unrecordable, Value

if TYPE_CHECKING:
    from .game import MetaGame

QUANTITIES = {"train": ("epoch",), "evaluate": ("epoch",), "step": ("t", "payoff", "strategy")}
"""Method -> what it may ask for, by naming it as a parameter."""
STRETCHES = 40
"""Conditions on t may change so often before a loop is run as it is written."""
_PLAIN = (torch.Tensor, int, float, str, type(None))


def parameters(method: Any, name: str) -> list[str]:
    names = list(inspect.signature(method).parameters)
    unknown = [asked for asked in names if asked not in QUANTITIES[name]]
    if unknown:
        raise ValueError(f"{name} asks for {unknown[0]!r}; it may ask for {', '.join(QUANTITIES[name])}")
    return names


class Loop:
    """``steps`` steps of one rule, recorded stretch by stretch, or as written."""

    def __init__(
        self, game: MetaGame, step: Any, names: Sequence[str], strategy: torch.Tensor, alternating: bool
    ) -> None:
        self.game, self.step, self.names, self.strategy = game, step, names, strategy
        self.alternating = bool(alternating)
        self.rule = getattr(step, "__self__", None)

    def run(self, steps: int) -> None:
        """Raises Unrecordable, before anything has changed, or after whole stretches."""
        self.done = 0
        for _ in range(STRETCHES):
            if self.done >= steps:
                return
            trace = Trace(self.game, self.done + 1)
            result = self._recorded(trace)
            end = trace.until(steps)
            trace.run(end, result, self.strategy, self.alternating)
            self.done = end - 1
        if self.done < steps:
            raise Unrecordable

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

    def _recorded(self, trace: Trace) -> Value:
        """The step's result; the rule's attributes are put back, and what they became goes to the trace."""
        attributes = {} if self.rule is None else vars(self.rule)
        if self.rule is None or not all(isinstance(v, _PLAIN) or v is self.game for v in attributes.values()):
            raise Unrecordable
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
                        raise Unrecordable
                else:
                    trace.write(before[name], value)
        finally:
            attributes.clear()
            attributes.update(before)
        return trace.value(result).expanded()
