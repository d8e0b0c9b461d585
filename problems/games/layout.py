"""Tables -> the arrays that the engine sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from problems.games.order import Order, number, offsets
from problems.games.tables import Tables

SNAP = 1e-15
"""Counterfactual regrets below this are rounding noise of exact ties and count as zero, in games that pay at
most one; where more is paid, it is relative to the largest payoff. Without it regret matching turns a
spurious 1e-18 into a pure strategy, and symmetric games end orders of magnitude apart."""


class Layout(NamedTuple):
    """A game for the engine. N players, I infosets, S policy entries, C cells, X sequences, E payoffs.

    Policies are ragged: [S], one entry per infoset and action. Reaches are [X + N], one per sequence, then
    one empty sequence per player. With perfect recall C = I and X = S. Integers are uint32, others float64.
    """

    start: np.ndarray
    """[N + 1] a player's infosets."""
    first: np.ndarray
    """[I + 1] an infoset's policy entries."""
    cells: np.ndarray
    """[I + 1] an infoset's cells."""
    base: np.ndarray
    """[I + 1] first sequence of an infoset's first cell; its further cells follow without a gap."""
    parent: np.ndarray
    """[C] the own sequence that leads to a cell."""
    row: np.ndarray
    """[X + N + 1] a sequence's payoff entries."""
    column: np.ndarray
    """[E * (N - 1)] sequences of the other players, entry by entry."""
    history_row: np.ndarray
    """[I + 1] an infoset's histories."""
    history_column: np.ndarray
    """[H * (N - 1)] sequences of the other players, history by history."""
    share: np.ndarray
    """[C] part of the infoset's histories that lie in the cell."""
    payoff: np.ndarray
    """[E] chance probability times the owner's payoff."""
    chance: np.ndarray
    """[H]"""
    snap: np.ndarray
    """[N] a player's regrets below this count as zero (``SNAP``)."""


FIELDS, INTEGERS = len(Layout._fields), 9
"""The first ``INTEGERS`` fields of a layout hold integers, the others numbers."""


@dataclass(frozen=True)
class Game:
    """A game in two arrays, for calls from Python are paid by the array, and how to read them.

    ``integers`` begins with the length of every field of the layout.
    """

    integers: np.ndarray
    numbers: np.ndarray
    layout: Layout
    """Views of the two arrays."""
    order: np.ndarray
    """[S] policy entry of each (infoset, action) of the tables, taken in the tables' order."""

    @property
    def players(self) -> int:
        return len(self.layout.start) - 1

    @property
    def infosets(self) -> int:
        return len(self.layout.first) - 1

    @property
    def entries(self) -> int:
        """S, the length of a policy."""
        return int(self.layout.first[-1])

    @property
    def sequences(self) -> int:
        """X, without the empty sequences."""
        return len(self.layout.row) - 1 - self.players


def _packed(layout: Layout, order: np.ndarray) -> Game:
    sizes = [len(field) for field in layout]
    integers = np.concatenate((sizes, *layout[:INTEGERS]), dtype=np.uint32, casting="unsafe")
    numbers = np.concatenate(layout[INTEGERS:])
    views = np.split(integers, np.cumsum([len(sizes), *sizes[:INTEGERS]]))[1:-1]
    views += np.split(numbers, np.cumsum(sizes[INTEGERS:]))[:-1]
    return Game(integers, numbers, Layout(*views), order)


def arrange(tables: Tables, seed: int | None = None) -> Game:
    """Numbers a game for the engine; ``seed=None`` keeps the order of discovery within each level.

    Raises:
        GameError: an infoset can be its own ancestor (absent-mindedness).
    """
    order = number(tables, seed)
    infosets, cells = np.argsort(order.infoset), np.argsort(order.cell)
    infoset = order.infoset[tables.cell_infoset]
    first = offsets(tables.infoset_actions[infosets])
    starts = offsets(np.bincount(infoset, minlength=len(infosets)))
    row, column, payoff = _payoff_rows(tables, order)
    history_row, history_column, chance = _history_rows(tables, order)
    visits = np.bincount(tables.history_cell)
    layout = Layout(
        start=offsets(np.bincount(tables.infoset_player, minlength=tables.players)),
        first=first,
        cells=starts,
        base=offsets(tables.infoset_actions[tables.cell_infoset][cells])[starts],
        parent=order.sequences(tables.cell_parent, tables.infoset_player[tables.cell_infoset])[cells],
        row=row,
        column=column,
        history_row=history_row,
        history_column=history_column,
        share=(visits / np.bincount(infoset, weights=visits)[infoset])[cells],
        payoff=payoff,
        chance=chance,
        snap=SNAP * np.abs(tables.terminal_payoffs).max(axis=0, initial=1.0),
    )
    entries = np.repeat(first[order.infoset], tables.infoset_actions) + order.action
    return _packed(layout, entries)


def _payoff_rows(tables: Tables, order: Order) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse payoff matrices of all players as one, rows by own sequence."""
    rows, columns, payoffs = [], [], []
    for player in range(tables.players):
        paid = tables.terminal_payoffs[:, player] != 0.0
        rows.append(order.sequences(tables.terminal_sequences[paid, player], player))
        columns.append(_others(tables.terminal_sequences[paid], player, order))
        payoffs.append(tables.terminal_payoffs[paid, player])
    row, column, payoff = np.concatenate(rows), np.concatenate(columns), np.concatenate(payoffs)
    by_row = np.lexsort((*column.T[::-1], row))
    counts = np.bincount(row, minlength=len(order.sequence) + tables.players)
    return offsets(counts), column[by_row].ravel(), payoff[by_row]


def _history_rows(tables: Tables, order: Order) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    infoset = tables.cell_infoset[tables.history_cell]
    owner, row = tables.infoset_player[infoset], order.infoset[infoset]
    column = np.empty((len(owner), tables.players - 1), np.int64)
    for player in range(tables.players):
        own = owner == player
        column[own] = _others(tables.history_sequences[own], player, order)
    by_row = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=len(order.infoset))
    return offsets(counts), column[by_row].ravel(), tables.history_chance[by_row]


def _others(sequences: np.ndarray, player: int, order: Order) -> np.ndarray:
    """[n, N - 1] the other players' sequences."""
    others = [p for p in range(sequences.shape[1]) if p != player]
    return order.sequences(sequences[:, others], np.array(others, dtype=np.int64))
