"""The meta-game as a rule sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.optimize import linprog

from .loop import Loop, parameters
from .tables import tables
from .trace import Unrecordable, Value


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
        self._kept: Any = None
        self._first = np.concatenate(([0], np.cumsum(payoffs[0].shape))).astype(np.int64)
        sizes = np.diff(self._first)
        self.sizes: list[int] = sizes.tolist()
        """Number of strategies of every player."""
        self.sequences = int(self._first[-1])
        """s, the number of entries."""
        self.strategies = torch.from_numpy(sizes.astype(np.float64))
        """[N] the same as a tensor."""
        self.index = torch.from_numpy(np.repeat(np.arange(self.players), sizes))
        """[s] player of each entry."""

    def _tables(self) -> Any:
        """The payoffs for compiled loops; made when the first of them runs, for not every rule has one."""
        if self._kept is None:
            self._kept = tables([tensor.numpy() for tensor in self.payoffs])
        return self._kept

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
        if isinstance(y, Value):
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
        names = parameters(step, "step")
        loop = Loop(self, step, names, here, alternating)
        try:
            loop.run(int(steps))
        except Unrecordable:
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
        return torch.cat([maximin(first.numpy()), maximin(second.numpy().T)])

    def _reduced(self, name: str, function: Callable[..., torch.Tensor], x: Any) -> Any:
        if isinstance(x, Value):
            return x.trace.per_player(name, x, 0.0)
        parts = torch.split(self._entries(x), self.sizes, dim=-1)
        return torch.stack([function(part, dim=-1) for part in parts], dim=-1)

    def _distributed(
        self, name: str, function: Callable[[torch.Tensor], torch.Tensor], x: Any, floor: float = 0.0
    ) -> Any:
        if isinstance(x, Value):
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


def maximin(payoffs: np.ndarray) -> torch.Tensor:
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
