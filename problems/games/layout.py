"""Tables -> the arrays that the engine sweeps, in an order chosen by a seed.

Infosets are numbered by player, level (own depth), parent: every pass over a player's infosets, forward
or backward, is one linear sweep. Within that, a seed shuffles infosets and actions; it costs nothing at
run time and also serves as a perturbation of the summation order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from problems.games import GameError
from problems.games.tables import Tables


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
    actions = tables.infoset_actions
    position = _shuffle_actions(actions, seed)
    rank = _rank_infosets(tables, position, seed)
    first = _offsets(_permuted(actions, rank))
    order = np.repeat(first[rank], actions) + position

    cell_rank = np.empty(len(tables.cell_infoset), np.int64)
    cell_order = np.argsort(rank[tables.cell_infoset], kind="stable")
    cell_rank[cell_order] = np.arange(len(cell_order))
    cells = _offsets(np.bincount(rank[tables.cell_infoset], minlength=len(rank)))
    sizes = actions[tables.cell_infoset]
    cell_first = _offsets(sizes[cell_order])
    entry = np.repeat(_offsets(actions)[tables.cell_infoset], sizes) + _ramp(sizes)
    sequence = np.repeat(cell_first[cell_rank], sizes) + position[entry]

    players, total = tables.players, len(sequence)
    owner = tables.infoset_player[tables.cell_infoset]
    renumber = _Renumber(np.append(sequence, 0), total)
    row, column, payoff = _payoff_rows(tables, renumber)
    history_row, history_column, chance = _history_rows(tables, renumber, rank)
    visits = np.bincount(tables.history_cell, minlength=len(cell_order))
    share = visits / np.bincount(tables.cell_infoset, weights=visits)[tables.cell_infoset]
    layout = Layout(
        start=_offsets(np.bincount(tables.infoset_player, minlength=players)),
        first=first,
        cells=cells,
        base=cell_first[cells],
        parent=renumber(tables.cell_parent, owner)[cell_order],
        row=row,
        column=column,
        history_row=history_row,
        history_column=history_column,
        share=share[cell_order],
        payoff=payoff,
        chance=chance,
    )
    return _packed(layout, order)


class _Renumber:
    """Sequences of the tables -> sequences of the layout; a player's empty one comes after all others."""

    def __init__(self, sequence: np.ndarray, total: int) -> None:
        self.sequence, self.total = sequence, total

    def __call__(self, old: np.ndarray, player: np.ndarray | int) -> np.ndarray:
        return np.where(old < 0, self.total + player, self.sequence[old])


def _shuffle_actions(actions: np.ndarray, seed: int | None) -> np.ndarray:
    """[S] new place of each action within its infoset."""
    if seed is None:
        return _ramp(actions)
    keys = np.random.default_rng([seed, 0]).random(int(actions.sum()))
    shuffled = np.lexsort((keys, np.repeat(np.arange(len(actions)), actions)))
    position = np.empty(len(keys), np.int64)
    position[shuffled] = _ramp(actions)
    return position


def _rank_infosets(tables: Tables, position: np.ndarray, seed: int | None) -> np.ndarray:
    """[I] new number of each infoset: by player, level, parent sequence, and chance among siblings."""
    count = len(tables.infoset_player)
    keys = np.arange(count) if seed is None else np.random.default_rng([seed, 1]).permutation(count)
    entry = _offsets(tables.infoset_actions)[tables.cell_infoset]
    owner = np.repeat(np.arange(len(tables.cell_infoset)), tables.infoset_actions[tables.cell_infoset])
    entry = np.repeat(entry, tables.infoset_actions[tables.cell_infoset]) + _ramp(
        tables.infoset_actions[tables.cell_infoset]
    )
    level = _levels(tables, tables.cell_infoset[owner])
    parent = tables.cell_parent[np.unique(tables.cell_infoset, return_index=True)[1]]
    parent_infoset = tables.cell_infoset[owner][parent]
    rank, placed = np.zeros(count, np.int64), 0
    for members in np.split(np.argsort(level, kind="stable"), np.cumsum(np.bincount(level))[:-1]):
        root = parent[members] < 0
        by_parent = np.where(root, -1, rank[parent_infoset[members]])
        by_action = np.where(root, 0, position[entry[parent[members]]])
        ordered = members[np.lexsort((keys[members], by_action, by_parent))]
        rank[ordered] = placed + np.arange(len(ordered))
        placed += len(ordered)
    final = np.empty(count, np.int64)
    final[np.lexsort((rank, tables.infoset_player))] = np.arange(count)
    return final


def _levels(tables: Tables, infoset_of_sequence: np.ndarray) -> np.ndarray:
    """[I] longest own path to an infoset; its own depth when recall is perfect."""
    inner = tables.cell_parent >= 0
    below = tables.cell_infoset[inner]
    above = infoset_of_sequence[tables.cell_parent[inner]]
    level = np.zeros(len(tables.infoset_player), np.int64)
    while True:
        raised = level.copy()
        np.maximum.at(raised, below, level[above] + 1)
        if np.array_equal(raised, level):
            return level
        if raised.max() >= len(level):
            raise GameError(
                "A player of this game forgets having moved (absent-mindedness): no sequence form."
            )
        level = raised


def _payoff_rows(tables: Tables, renumber: _Renumber) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse payoff matrices of all players as one, rows by own sequence."""
    rows, columns, payoffs = [], [], []
    for player in range(tables.players):
        kept = tables.terminal_payoffs[:, player] != 0.0
        sequences = tables.terminal_sequences[kept]
        others = _others(sequences, player, renumber)
        own = renumber(sequences[:, player], player)
        by_row = np.lexsort((others[:, 0], own)) if others.shape[1] else np.argsort(own, kind="stable")
        rows.append(own[by_row])
        columns.append(others[by_row])
        payoffs.append(tables.terminal_payoffs[kept, player][by_row])
    # The empty sequences come last although their owners' other rows do not.
    row, column, payoff = np.concatenate(rows), np.concatenate(columns), np.concatenate(payoffs)
    last = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=renumber.total + tables.players)
    return _offsets(counts), column[last].ravel(), payoff[last]


def _history_rows(
    tables: Tables, renumber: _Renumber, rank: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    infoset = tables.cell_infoset[tables.history_cell]
    owner = tables.infoset_player[infoset]
    column = np.empty((len(owner), tables.players - 1), np.int64)
    for player in range(tables.players):
        own = owner == player
        column[own] = _others(tables.history_sequences[own], player, renumber)
    by_row = np.argsort(rank[infoset], kind="stable")
    row = _offsets(np.bincount(rank[infoset], minlength=len(rank)))
    return row, column[by_row].ravel(), tables.history_chance[by_row]


def _others(sequences: np.ndarray, player: int, renumber: _Renumber) -> np.ndarray:
    """[n, N - 1] the other players' sequences, renumbered."""
    others = [p for p in range(sequences.shape[1]) if p != player]
    return renumber(sequences[:, others], np.array(others, dtype=np.int64))


def _ramp(sizes: np.ndarray) -> np.ndarray:
    """0 .. size-1 for every size, one after another."""
    return np.arange(int(sizes.sum())) - np.repeat(_offsets(sizes)[:-1], sizes)


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(sizes)))


def _permuted(values: np.ndarray, rank: np.ndarray) -> np.ndarray:
    out = np.empty_like(values)
    out[rank] = values
    return out
