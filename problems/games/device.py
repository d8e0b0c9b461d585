"""The engine's sweeps as PyTorch operations, for large games on a GPU: level by level instead of entry by
entry, recorded once as CUDA graphs. ``engine.py`` stays the engine of record, and judges.

Everything has a last dimension B, settings that run at once; B is 1 for a single run. Sums are sums of
adjacent rows, each in a fixed order, so a run repeats its own bits; the engine of record adds in another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from problems.games.engine import TOLERANCE, uniform
from problems.games.layout import Game
from problems.games.order import inverse, offsets, ramp

CHUNK = 8
"""Longer rows are summed in several steps: a row is one thread's work, who waits for each number it reads."""


class Exchange:
    """Views of what passes between engine and players, [3 S + I, B], as ``engine.Exchange``."""

    def __init__(self, game: Game, whole: torch.Tensor) -> None:
        entries = game.entries
        self.policy, self.regret, self.realisation, self.opponent_reach = torch.split(
            whole, [entries, entries, entries, game.infosets]
        )


class Sweeps:
    """One game on a device, uniform policies to begin with.

    Args:
        exchange: [3 S + I, B] on the device; read and written by every call.
    """

    def __init__(self, game: Game, exchange: torch.Tensor) -> None:
        self.device, batch = exchange.device, exchange.shape[1]
        self.exchange = Exchange(game, exchange)
        trees = [_Tree(game, player) for player in range(game.players)]
        number = np.concatenate(
            [tree.number + tree.sequences.start for tree in trees]
            + [game.sequences + np.arange(game.players)]  # the empty sequences come last and stay there
        )
        self.players = [Player(game, tree, number, self.device) for tree in trees]
        self._weights = exchange.new_ones(game.entries + 1, batch)
        """Current policies, and a one for what lies above a first move."""
        self._reach = exchange.new_ones(game.sequences + game.players, batch)
        self._moves = [exchange.new_ones(own.depth, own.count, batch) for own in self.players]
        """[depth, x, B] probabilities of a sequence's last move, of the move before it, and so on."""
        self._least = exchange.new_zeros(game.entries, batch)
        """The smallest number that an entry was ever given, zero or below; NaN if it ever was that."""
        self._off = exchange.new_zeros(game.infosets, batch)
        """How far from one a policy has been at an infoset, ever."""
        self._recorded: dict[object, Recorded] = {}
        self.exchange.policy.copy_(torch.from_numpy(uniform(game))[:, None])
        for player in range(game.players):
            self._accept(player)

    @property
    def policy(self) -> torch.Tensor:
        """[S, B] the current policies of all players."""
        return self._weights[:-1]

    def accept(self, player: int) -> None:
        """As ``engine.accept``; but whether it was a policy, :meth:`refused` says, for to ask is to wait."""
        self._record(self._accept, player)

    def refused(self, player: int) -> str:
        """What is wrong with the worst that a player ever handed over; empty if all were policies."""
        own = self.players[player]
        least, off = float(self._least[own.entries].min()), float(self._off[own.infosets].max())
        if least >= 0.0 and off <= TOLERANCE:
            return ""
        if least < 0.0:
            return f"has a negative probability at an infoset, {least:.6g}"
        if off > TOLERANCE and not math.isinf(off):
            return f"sums to one only within {off:.6g} at an infoset"
        return "is not finite at an infoset"

    def step(self, learnt: int, player: int) -> None:
        """As ``engine.step``, and as ``accept``."""
        self._record(self._step, learnt, player)

    def opponent_reaches(self, player: int) -> None:
        """As ``engine.opponent_reaches``."""
        self._record(self._opponent_reaches, player)

    def _record(self, sweep: Callable[..., None], *players: int) -> None:
        if (sweep.__name__, players) not in self._recorded:
            self._recorded[sweep.__name__, players] = Recorded(partial(sweep, *players), self.device)
        self._recorded[sweep.__name__, players]()

    def _step(self, learnt: int, player: int) -> None:
        if learnt >= 0:
            self._accept(learnt)
        self._regrets(player)

    def _accept(self, player: int) -> None:
        own = self.players[player]
        offered, least, off = (
            self.exchange.policy[own.entries],
            self._least[own.entries],
            self._off[own.infosets],
        )
        total = own.actions.sum(offered)
        torch.minimum(least, offered, out=least)
        torch.maximum(off, torch.abs(total - 1.0), out=off)
        torch.div(offered, torch.index_select(total, 0, own.infoset), out=self._weights[own.entries])
        torch.index_select(self._weights, 0, own.moves, out=self._moves[player].flatten(0, 1))
        torch.prod(self._moves[player], 0, out=self._reach[own.sequences])

    def _regrets(self, player: int) -> None:
        own = self.players[player]
        weights, quality = self._moves[player][0], own.payoffs.sum(self._reach)
        for above, level, following in own.levels:
            quality[above] += following.sum(weights[level] * quality[level])
        value = own.cells.sum(weights * quality)
        regret = torch.index_select(quality - torch.index_select(value, 0, own.cell), 0, own.by_entry)
        if own.recalls:
            realisation = torch.index_select(self._reach[own.sequences], 0, own.by_entry)
        else:
            regret = own.of_entry.sum(regret)
            reached = own.of_infoset.sum(own.shares * torch.index_select(self._reach, 0, own.above))
            realisation = self._weights[own.entries] * torch.index_select(reached, 0, own.infoset)
        self.exchange.regret[own.entries] = torch.nn.functional.hardshrink(regret, own.snap)
        self.exchange.realisation[own.entries] = realisation

    def _opponent_reaches(self, player: int) -> None:
        own = self.players[player]
        self.exchange.opponent_reach[own.infosets] = own.histories.sum(self._reach)


class Recorded:
    """Work on fixed tensors of a device, which it may do twice. A GPU is given it as a whole, recorded at the
    first call: launched one by one, kernels as short as these take longer to be launched than to run."""

    def __init__(self, work: Callable[[], object], device: torch.device) -> None:
        self._work, self._device = work, device
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self._device.type != "cuda":
            self._work()
            return
        if self._graph is None:
            self._work()  # what is loaded on first use cannot be recorded
            torch.cuda.synchronize(self._device)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._work()
        self._graph.replay()


class Segments:
    """Adjacent rows of a tensor that belong together, by ``ends`` [segments + 1], counted from the first."""

    def __init__(self, ends: np.ndarray, device: torch.device) -> None:
        ends = ends.astype(np.int64) - int(ends[0])
        steps: list[np.ndarray] = []
        while (sizes := np.diff(ends)).max(initial=0) > CHUNK:
            chunks = -(-sizes // CHUNK)
            steps.append(np.append(np.repeat(ends[:-1], chunks) + ramp(chunks) * CHUNK, ends[-1]))
            ends = offsets(chunks)
        self._steps = [torch.from_numpy(step).to(device) for step in (*steps, ends)]

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """[rows, B] -> [segments, B]"""
        return self._reduce(x, "sum", 0.0)

    def max(self, x: torch.Tensor) -> torch.Tensor:
        """As ``sum``."""
        return self._reduce(x, "max", -torch.inf)

    def _reduce(self, x: torch.Tensor, how: str, initial: float) -> torch.Tensor:
        for ends in self._steps:
            x = torch.segment_reduce(x, how, offsets=ends, axis=0, unsafe=True, initial=initial)
        return x


class _Products:
    """Some rows of a sparse matrix, each entry multiplied by the reach of every other player.

    A row is cut into parts of equal length, the last one filled up with zeros, and the parts stand side by
    side, so that neighbouring threads read neighbouring numbers.

    Args:
        ends, rows: where all its rows lie, and which of them are wanted, in this order.
        columns: sequences of the other players, entry by entry.
        number: [X + N] new numbers of sequences.
    """

    def __init__(
        self,
        ends: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        weight: np.ndarray,
        number: np.ndarray,
        device: torch.device,
    ) -> None:
        here = partial(_copied, device)
        sizes = np.diff(ends.astype(np.int64))[rows]
        self._deep = 1 << int(math.log2(max(1.0, float(sizes.mean())))) if len(sizes) else 1
        parts = -(-sizes // self._deep)
        entries = np.repeat(ends[rows].astype(np.int64), parts * self._deep) + ramp(parts * self._deep)
        empty = ramp(parts * self._deep) >= np.repeat(sizes, parts * self._deep)
        entries = np.where(empty, 0, entries).reshape(-1, self._deep).T.ravel()
        others = number[columns.reshape(len(weight), -1)[entries]]
        self._weight = here(np.where(empty.reshape(-1, self._deep).T.ravel(), 0.0, weight[entries]))[:, None]
        self._columns = [here(others[:, other]) for other in range(others.shape[1])]
        self._parts = Segments(offsets(parts), device)

    def sum(self, reach: torch.Tensor) -> torch.Tensor:
        """[X + N, B] -> [rows, B]"""
        product = self._weight
        for column in self._columns:
            product = product * torch.index_select(reach, 0, column)
        return self._parts.sum(product.view(self._deep, -1, reach.shape[1]).sum(0))


def _copied(device: torch.device, array: np.ndarray) -> torch.Tensor:
    kind = np.float64 if array.dtype.kind == "f" else np.int32
    return torch.from_numpy(np.ascontiguousarray(array, kind)).to(device)


class _Tree:
    """A player's own sequences, numbered anew by depth and what precedes them, so that what is read together
    lies together. Numbers are the player's own, from 0: s entries, x sequences."""

    def __init__(self, game: Game, player: int) -> None:
        layout = game.layout
        infosets = slice(int(layout.start[player]), int(layout.start[player + 1]))
        first, cells, base = (
            field[infosets.start : infosets.stop + 1].astype(np.int64)
            for field in (layout.first, layout.cells, layout.base)
        )
        self.player, self.infosets = player, infosets
        self.entries, self.cells, self.sequences = (
            slice(int(field[0]), int(field[-1])) for field in (first, cells, base)
        )
        infoset = np.repeat(np.arange(len(first) - 1), np.diff(cells))
        widths = np.diff(first)[infoset]
        cell = np.repeat(np.arange(len(widths)), widths)
        above = layout.parent[self.cells].astype(np.int64)[cell] - base[0]
        above = np.where(above < len(cell), above, -1)  # empty sequences come after all others
        self.order, self.levels = _by_depth(above)
        self.number = inverse(self.order)
        """[x] new numbers by old."""
        self.entry = ((first[infoset] - first[0])[cell] + ramp(widths))[self.order]
        """[x] the entry that a sequence ends with."""
        self.widths = widths[cell[self.order[np.diff(cell[self.order], prepend=-1) != 0]]]
        """[c] number of actions of every cell, in the order of its sequences."""
        self.above = np.where(above < 0, -1, self.number[above])[self.order]
        """[x] the sequence before, or -1."""


def _by_depth(above: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """Sequences by depth, predecessor and number; and where every depth lies in that order."""
    depth, ancestor = np.zeros(len(above), np.int64), above
    while (ancestor >= 0).any():
        depth += ancestor >= 0
        ancestor = np.where(ancestor >= 0, above[ancestor], -1)
    place, order, levels = np.full(len(above), -1), [np.zeros(0, np.int64)], []
    placed = 0
    for level in range(int(depth.max(initial=-1)) + 1):
        members = np.flatnonzero(depth == level)
        before = np.where(above[members] >= 0, place[above[members]], -1)
        members = members[np.argsort(before, kind="stable")]
        place[members] = placed + np.arange(len(members))
        levels.append(slice(placed, placed + len(members)))
        placed += len(members)
        order.append(members)
    return np.concatenate(order), levels


class Player:
    """A player's part of a game on the device: n infosets, s entries, c cells, x sequences."""

    def __init__(self, game: Game, tree: _Tree, number: np.ndarray, device: torch.device) -> None:
        layout, here = game.layout, partial(_copied, device)
        self.infosets, self.entries, self.sequences = tree.infosets, tree.entries, tree.sequences
        self.snap = float(layout.snap[tree.player])
        first = layout.first[self.infosets.start : self.infosets.stop + 1]
        self.actions = Segments(first, device)
        self.infoset = here(np.repeat(np.arange(len(first) - 1), np.diff(first).astype(np.int64)))
        self.by_entry = here(np.argsort(tree.entry, kind="stable"))
        self.cells = Segments(offsets(tree.widths), device)
        self.cell = here(np.repeat(np.arange(len(tree.widths)), tree.widths))
        moves = _moves(tree)
        self.depth, self.count = moves.shape
        self.moves = here(np.where(moves < 0, game.entries, moves + self.entries.start).ravel())
        self.levels = [
            (above, level, _following(tree.above[level], above, device))
            for above, level in zip(tree.levels[-2::-1], tree.levels[:0:-1], strict=True)
        ]
        """From the last to the second: the sequences before it, its own, and which follow on which."""
        rows = tree.order + self.sequences.start
        self.payoffs = _Products(layout.row, rows, layout.column, layout.payoff, number, device)
        rows = np.arange(self.infosets.start, self.infosets.stop)
        self.histories = _Products(
            layout.history_row, rows, layout.history_column, layout.chance, number, device
        )
        self.recalls = len(tree.entry) == self.entries.stop - self.entries.start
        if not self.recalls:
            self.of_entry = Segments(offsets(np.bincount(tree.entry)), device)
            self.of_infoset = Segments(layout.cells[self.infosets.start : self.infosets.stop + 1], device)
            self.above = here(number[layout.parent[tree.cells]])
            self.shares = here(layout.share[tree.cells])[:, None]


def _moves(tree: _Tree) -> np.ndarray:
    """[depth, x] entries of a sequence's last move, of the move before it, and so on; -1 above the first."""
    rows, ancestor = [tree.entry], tree.above
    while (ancestor >= 0).any():
        rows.append(np.where(ancestor >= 0, tree.entry[ancestor], -1))
        ancestor = np.where(ancestor >= 0, tree.above[ancestor], -1)
    return np.stack(rows)


def _following(above: np.ndarray, level: slice, device: torch.device) -> Segments:
    """What follows on each sequence of a level, by the sequence before each of the next level's."""
    return Segments(offsets(np.bincount(above - level.start, minlength=level.stop - level.start)), device)
