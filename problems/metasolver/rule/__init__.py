"""The candidate half: gives a program its meta-game and runs its two solvers. Imports nothing of ours.

A rule's inner loop is ordinary PyTorch code, but thousands of steps on vectors of a hundred entries would
spend their time in PyTorch's dispatch. So ``MetaGame.repeat`` runs ``step`` once on stand-ins that record
what is computed, and a small machine that is compiled beforehand repeats the recording; what cannot be
recorded runs as it is written. (A candidate may load no machine code, so nothing is compiled for a program.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .game import MetaGame, maximin
from .loop import QUANTITIES, parameters

__all__ = ["QUANTITIES", "Invalid", "MetaGame", "serve"]


class Invalid(ValueError):
    """What a method returned is no mixture."""

    status = "invalid"
    """How the run ends (``CandidateError.status``)."""


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
        self.arrays, self.game, self.size = arrays, MetaGame(players), 0
        self.rule = rule(self.game)
        self.asked = {name: parameters(getattr(self.rule, name), name) for name in ("train", "evaluate")}

    def answer(self, method: str) -> None:
        size = int(self.arrays["size"][0])
        if size != self.size:  # also in the first epoch, whose payoffs the rule has not seen
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
        before, players, self.size = self.game.sizes[0], self.game.players, size
        corner = (slice(size),) * players
        self.game.update([np.ascontiguousarray(tensor[corner]) for tensor in self.arrays["payoffs"]])
        for name, value in list(vars(self.rule).items()):
            if isinstance(value, torch.Tensor) and value.shape[-1:] == (players * before,):
                wider = value.new_zeros((*value.shape[:-1], players, size))
                wider[..., :before] = value.reshape(*value.shape[:-1], players, before)
                setattr(self.rule, name, wider.reshape(*value.shape[:-1], players * size))


def _warm_up() -> None:
    """Solve one small program of every kind, so that a candidate need load nothing any more."""
    maximin(np.array([[1.0, 0.0], [0.0, 1.0]]))


_warm_up()
