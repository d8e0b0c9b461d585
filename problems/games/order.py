"""In which order the engine and the players meet a game's infosets, cells, sequences and actions.

Infosets are numbered by player, level (own depth), size, parent: every pass over a player's infosets, forward
or backward, is one linear sweep, and its inner loops keep their length for long, so that the processor
foresees their ends (on Liar's Dice this saves a quarter of an iteration). Within that, a seed shuffles
infosets and actions; it costs nothing at run time and also serves to perturb the order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.games import GameError
from problems.games.tables import Tables


@dataclass(frozen=True)
class Order:
    """New numbers, by the tables' numbers."""

    infoset: np.ndarray
    """[I]"""
    action: np.ndarray
    """[S] place of each (infoset, action) within its infoset."""
    cell: np.ndarray
    """[C]"""
    sequence: np.ndarray
    """[X]"""

    def sequences(self, old: np.ndarray, player: np.ndarray | int) -> np.ndarray:
        """Sequences that belong to ``player``; the empty one, -1, comes after all others."""
        return np.where(old < 0, len(self.sequence) + player, self.sequence[old])


def number(tables: Tables, seed: int | None) -> Order:
    """Raises GameError when an infoset can be its own ancestor (absent-mindedness)."""
    action = _shuffle_actions(tables.infoset_actions, seed)
    infoset = _number_infosets(tables, action, seed)
    cells = np.argsort(infoset[tables.cell_infoset], kind="stable")
    cell = inverse(cells)
    sizes = tables.infoset_actions[tables.cell_infoset]
    first = offsets(sizes[cells])[cell]
    return Order(infoset, action, cell, np.repeat(first, sizes) + action[tables.sequence_entry()])


def _shuffle_actions(actions: np.ndarray, seed: int | None) -> np.ndarray:
    if seed is None:
        return ramp(actions)
    keys = np.random.default_rng([seed, 0]).random(int(actions.sum()))
    shuffled = np.lexsort((keys, np.repeat(np.arange(len(actions)), actions)))
    return ramp(actions)[inverse(shuffled)]


def _number_infosets(tables: Tables, action: np.ndarray, seed: int | None) -> np.ndarray:
    """By player, level, numbers of actions and of cells, parent sequence, and chance among siblings."""
    count = len(tables.infoset_player)
    luck = np.arange(count) if seed is None else np.random.default_rng([seed, 1]).permutation(count)
    cell, entry = tables.sequence_cell(), tables.sequence_entry()
    level = _levels(tables, cell)
    cells = np.bincount(tables.cell_infoset)
    parent = tables.cell_parent[np.unique(tables.cell_infoset, return_index=True)[1]]
    above = tables.cell_infoset[cell[parent]]
    place, placed = np.zeros(count, np.int64), 0
    for members in np.split(np.argsort(level, kind="stable"), np.cumsum(np.bincount(level))[:-1]):
        root = parent[members] < 0
        by_parent = np.where(root, -1, place[above[members]])
        by_action = np.where(root, 0, action[entry[parent[members]]])
        size = (cells[members], tables.infoset_actions[members])
        ordered = members[np.lexsort((luck[members], by_action, by_parent, *size))]
        place[ordered] = placed + np.arange(len(ordered))
        placed += len(ordered)
    return inverse(np.lexsort((place, tables.infoset_player)))


def _levels(tables: Tables, sequence_cell: np.ndarray) -> np.ndarray:
    """[I] longest own path to an infoset; its own depth when recall is perfect."""
    inner = tables.cell_parent >= 0
    below = tables.cell_infoset[inner]
    above = tables.cell_infoset[sequence_cell[tables.cell_parent[inner]]]
    level = np.zeros(len(tables.infoset_player), np.int64)
    while True:
        raised = level.copy()
        np.maximum.at(raised, below, level[above] + 1)
        if np.array_equal(raised, level):
            return level
        if raised.max() >= len(level):
            message = "A player of this game forgets having moved (absent-mindedness): no sequence form."
            raise GameError(message)
        level = raised


def offsets(sizes: np.ndarray) -> np.ndarray:
    """0, then the running total."""
    return np.concatenate(([0], np.cumsum(sizes)))


def ramp(sizes: np.ndarray) -> np.ndarray:
    """0 .. size - 1 for every size, one after another."""
    return np.arange(int(sizes.sum())) - np.repeat(offsets(sizes)[:-1], sizes)


def inverse(permutation: np.ndarray) -> np.ndarray:
    out = np.empty(len(permutation), np.int64)
    out[permutation] = np.arange(len(permutation))
    return out
