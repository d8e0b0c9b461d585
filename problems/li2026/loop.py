"""The paper's evaluation loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from problems.li2026.algorithms import ALGORITHMS, State, match
from problems.li2026.histories import CHANCE, Histories
from problems.li2026.sweep import Tables, exploitability, sweep


def trajectory(tree: Histories, algorithm: str, checkpoints: Sequence[int]) -> Iterator[tuple[int, float]]:
    """Run an algorithm of ``ALGORITHMS`` and yield (updates done, exploitability of the average policy).

    Args:
        checkpoints: numbers of updates, ascending, from 0 (the uniform policy).
    """
    rule = ALGORITHMS[algorithm]
    zeros = np.zeros(tree.first[-1])
    state = State(tree.first, zeros.copy(), zeros.copy(), zeros.copy(), zeros.copy())
    match(zeros, tree.first, state.policy)
    owners = _owners(tree)
    profile = state.policy.copy()
    t = 0
    for checkpoint in checkpoints:
        while t < checkpoint:
            t += 1
            for player in range(tree.payoffs.shape[1]):
                r = state.regrets if rule.in_place else np.zeros_like(zeros)
                sweep(tree, player, Tables(state.policy, r, state.average), rule.averaging(t))
                rule.update(state, r, t, owners == player)
        match(state.average, tree.first, profile)
        yield t, exploitability(tree, profile)


def _owners(tree: Histories) -> np.ndarray:
    """[sequences] int8: the player who chooses."""
    decisions = tree.actor > CHANCE
    owner = np.zeros(len(tree.first) - 1, np.int8)
    owner[tree.infoset[decisions]] = tree.actor[decisions]
    return np.repeat(owner, np.diff(tree.first))
