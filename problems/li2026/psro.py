"""PSRO in the arithmetic of the paper's curves (Figure 4), for exact ties decide the whole run.

The best response plays equal actions uniformly, and which are equal is a matter of rounding. The published
curves follow OpenSpiel's ``policy_aggregator`` (history by history, weight times own reach, policy by policy)
and its ``best_response``, whose sums are Python's ``sum``: compensated from Python 3.12 on (Neumaier 1974).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from problems.games import engine
from problems.games.layout import Game
from problems.games.psro import Population
from problems.li2026.histories import CHANCE, TERMINAL, Histories
from problems.li2026.metasolvers import candidate, most_strategies
from problems.metasolver.referee import play

SMALL = 1e-40
"""What ``policy_aggregator`` adds to every action. It decides runs: where a mixture gives
an action no weight, the best response to it is not a tie there."""


def curve(game: Game, tree: Histories, solver: str, epochs: int) -> list[float]:
    """Exploitability with 0, 1, ... best responses added.

    Args:
        game: the compiled game in its order of discovery (``arrange`` without a seed).
        tree: the same game's histories.
        solver: of ``metasolvers.SOLVERS``, for training and evaluation.
        epochs: how many points; fewer come where the solver ends before (``most_strategies``).

    Raises:
        MissingLibrary: the solver needs one that is not installed.
    """
    epochs = min(epochs, most_strategies(solver, game.players))
    population = PublishedPopulation(game, tree, epochs)
    return play(candidate(solver), population, list(range(1, epochs + 1)))["exploitability"]


class PublishedPopulation(Population):
    """A population whose mixtures are behaviour policies [sequences], in the histories' order."""

    def __init__(self, game: Game, tree: Histories, capacity: int) -> None:
        super().__init__(game, capacity)
        self._game, self._histories = game, tree
        self._into = _into(tree)
        sizes = np.diff(tree.first)
        self._policies = np.zeros((capacity, tree.first[-1]))
        self._policies[0] = np.repeat(1.0 / sizes, sizes)

    def mixture(self, weights: np.ndarray) -> np.ndarray:
        depth, mover, sequence = self._into
        return _aggregate(self._histories, depth, mover, sequence, self._policies[: self.size], weights)

    def grow(self, reach: np.ndarray) -> None:
        for player in range(self.players):
            _respond(self._histories, player, _edges(self._histories, reach), self._policies[self.size])
        self._plans[self.size] = self._plan(self._policies[self.size])
        self._enter()

    def gains(self, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges, response = _edges(self._histories, reach), np.empty(len(reach))
        values = np.array([_value(self._histories, player, edges) for player in range(self.players)])
        best = [_respond(self._histories, player, edges, response) for player in range(self.players)]
        return np.array(best) - values, values

    def _plan(self, policy: np.ndarray) -> np.ndarray:
        """Realisation plans of all players, for the payoffs."""
        ordered, state = np.empty_like(policy), engine.new_state(self._game)
        ordered[self._game.order] = policy
        for player in range(self.players):
            engine.accept(self._game.integers, self._game.numbers, state, ordered, player)
        return state[self._game.entries :][: self._plans.shape[1]].copy()


def _into(tree: Histories) -> Sequence[np.ndarray]:
    """Of every history: its depth, who moved into it (or chance), and by which sequence."""
    depth, mover, sequence = (np.zeros(len(tree.actor), np.int32) for _ in range(3))
    mover[:] = CHANCE
    for h in range(len(tree.actor)):
        child, action = h + 1, 0
        while child < tree.end[h]:
            depth[child], mover[child] = depth[h] + 1, tree.actor[h]
            sequence[child] = tree.first[tree.infoset[h]] + action if tree.actor[h] != CHANCE else 0
            child, action = tree.end[child], action + 1
    return depth, mover, sequence


@njit(cache=True)
def _add(total: float, lost: float, term: float) -> tuple[float, float]:
    """One step of Neumaier's sum; the result is ``total + lost``."""
    new = total + term
    if abs(total) >= abs(term):
        return new, lost + ((total - new) + term)
    return new, lost + ((term - new) + total)


@njit(cache=True)
def _aggregate(  # noqa: C901
    tree: Histories,
    depth: np.ndarray,
    mover: np.ndarray,
    sequence: np.ndarray,
    policies: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """The behaviour of mixtures [players, policies]; uniform where no policy comes."""
    players, count = weights.shape
    total = np.zeros(policies.shape[1])
    reach = np.empty((np.max(depth) + 1, players, count))
    reach[0] = weights
    for h in range(len(tree.actor)):
        d = depth[h]
        if d > 0:
            reach[d] = reach[d - 1]
            if mover[h] >= 0:
                for k in range(count):
                    reach[d, mover[h], k] *= policies[k, sequence[h]]
        if tree.actor[h] >= 0:
            infoset = tree.infoset[h]
            for s in range(tree.first[infoset], tree.first[infoset + 1]):
                for k in range(count):
                    total[s] += reach[d, tree.actor[h], k] * policies[k, s]
    for infoset in range(len(tree.first) - 1):
        mass, lost = 0.0, 0.0
        low, high = tree.first[infoset], tree.first[infoset + 1]
        for s in range(low, high):
            total[s] += SMALL
            mass, lost = _add(mass, lost, total[s])
        mass += lost
        for s in range(low, high):
            total[s] /= mass
    return total


@njit(cache=True)
def _edges(tree: Histories, policy: np.ndarray) -> np.ndarray:
    """[histories]: probability of the edge into each."""
    edges = np.ones(len(tree.actor))
    for h in range(len(tree.actor)):
        c, a = h + 1, 0
        while c < tree.end[h]:
            mixed = tree.actor[h] != CHANCE
            edges[c] = policy[tree.first[tree.infoset[h]] + a] if mixed else tree.chance[c]
            c, a = tree.end[c], a + 1
    return edges


@njit(cache=True)
def _expected(tree: Histories, h: int, edges: np.ndarray, value: np.ndarray) -> float:
    total, lost = 0.0, 0.0
    child = h + 1
    while child < tree.end[h]:
        total, lost = _add(total, lost, edges[child] * value[child])
        child = tree.end[child]
    return total + lost


@njit(cache=True)
def _value(tree: Histories, player: int, edges: np.ndarray) -> float:
    """What ``player`` gets when everybody follows the policy."""
    value = np.zeros(len(tree.actor))
    for h in range(len(tree.actor) - 1, -1, -1):
        if tree.actor[h] == TERMINAL:
            value[h] = tree.payoffs[tree.infoset[h], player]
        else:
            value[h] = _expected(tree, h, edges, value)
    return value[0]


@njit(cache=True)
def _respond(  # noqa: C901
    tree: Histories, player: int, edges: np.ndarray, policy: np.ndarray
) -> float:
    """Write a best response of ``player``, uniform over equal actions, into its entries; return its value.

    Where infosets hold several own pasts, the value of a history is that of the first best action, as
    OpenSpiel has it.
    """
    reach = np.ones(len(tree.actor))
    for h in range(len(tree.actor)):
        c = h + 1
        while c < tree.end[h]:
            reach[c] = reach[h] if tree.actor[h] == player else reach[h] * edges[c]
            c = tree.end[c]
    value, worth, lost = np.zeros(len(tree.actor)), np.zeros(len(policy)), np.zeros(len(policy))
    for level in range(len(tree.level_first) - 2, -1, -1):
        members = tree.levels[tree.level_first[level] : tree.level_first[level + 1]]
        for h in members:
            if tree.actor[h] == TERMINAL:
                value[h] = tree.payoffs[tree.infoset[h], player]
            elif tree.actor[h] != player:
                value[h] = _expected(tree, h, edges, value)
            else:
                c, s = h + 1, tree.first[tree.infoset[h]]
                while c < tree.end[h]:
                    worth[s], lost[s] = _add(worth[s], lost[s], reach[h] * value[c])
                    c, s = tree.end[c], s + 1
        for h in members:
            if tree.actor[h] == player:
                low, high = tree.first[tree.infoset[h]], tree.first[tree.infoset[h] + 1]
                best = low + np.argmax(worth[low:high] + lost[low:high])
                equal = worth[low:high] + lost[low:high] == worth[best] + lost[best]
                policy[low:high] = equal / np.sum(equal)
                c = h + 1
                for _ in range(best - low):
                    c = tree.end[c]
                value[h] = value[c]
    return value[0]
