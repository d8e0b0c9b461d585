"""A rule that one trusts, on a GPU and in one process with the referee; nothing isolates it. For the largest
games, and for many settings of its constants at once. In a sandbox no program ever gets a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from problems.games.device import Recorded, Segments
from problems.inprocess import InProcess
from problems.regret.rule import Infosets, seated


class OnDevice(InProcess):
    """The referee's handle on a rule that computes on ``device`` (torch's word for it)."""

    def __init__(self, source: str, device: str) -> None:
        self.device = device
        super().__init__(__name__, source, lambda shape, kind: _zeros(shape, kind, device))


def _zeros(shape: tuple[int, ...], kind: str, device: str) -> torch.Tensor:
    return torch.zeros(shape, dtype=getattr(torch, kind), device=device)


def serve(
    program: dict[str, Any], setup: dict[str, Any], arrays: dict[str, torch.Tensor]
) -> list[Callable[[], None]]:
    """As ``rule.serve``, with tensors on one device for arrays."""
    torch.set_default_dtype(torch.float64)
    infosets = partial(_Infosets, arrays["exchange"].device)
    return seated(program["Rule"], setup, arrays, infosets)


class _Infosets(Infosets):
    """Those of a player, by operations that every device has."""

    def __init__(self, device: torch.device, first: np.ndarray, batch: int) -> None:
        super().__init__(first, batch)
        self._device, self._segments = device, Segments(first, device)
        self.actions, self.index = self.actions.to(device), self.index.to(device)
        self._given, self._normalise = self.zeros(), Recorded(self._of_given, device)

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape != self._given.shape:
            return self._normalised(x)
        self._given.copy_(x)
        self._normalise()
        return self._policy.clone()

    def _of_given(self) -> None:
        self._policy = self._normalised(self._given)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        rows = self._rows_of(torch.where(x > 0.0, x, 0.0))
        total = self._segments.sum(rows)
        none = (total <= 0.0).double()
        rest = torch.index_select(none / self.actions[:, None], 0, self.index)
        scale = torch.index_select(total + none, 0, self.index)
        return torch.addcdiv(rest, rows, scale).mT.reshape(x.shape)

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        return self._of_rows(self._segments.sum(self._rows_of(x)), x)

    def max(self, x: torch.Tensor) -> torch.Tensor:
        return self._of_rows(self._segments.max(self._rows_of(x)), x)

    def _fresh(self, size: int) -> torch.Tensor:
        if self._batch:
            return torch.empty(size, self._batch, device=self._device).mT
        return torch.empty(size, device=self._device)

    def _rows_of(self, x: torch.Tensor) -> torch.Tensor:
        """[..., s] -> [s, rest]"""
        return self._entries(x).reshape(-1, self.sequences).mT.contiguous()

    def _of_rows(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """[n, rest] -> [..., n]"""
        return rows.mT.reshape(*x.shape[:-1], self.count)
