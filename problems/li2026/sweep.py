"""One player's traversal of the tree in OpenSpiel's order of operations, and the exact exploitability.

Regret minimisation is chaotic in floating point: another order of the same sums breaks exact ties
otherwise at once, and ends elsewhere after a few hundred iterations. So every product and sum of the
traversal is in the order of OpenSpiel 2's ``python/algorithms/cfr.py``, which the paper's curves follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from problems.li2026.histories import CHANCE, TERMINAL, Histories

Averaging = tuple[float, float, bool]
"""(decay, weight, volatile): ``average <- decay average + w reach policy`` at each history, where w is
``weight``, or if volatile VAD-CFR's weight of the history's regrets with base ``weight``."""


class Tables(NamedTuple):
    """What a traversal reads and adds to, each [sequences]."""

    policy: np.ndarray
    regrets: np.ndarray
    average: np.ndarray


@njit(cache=True)
def sweep(tree: Histories, player: int, tables: Tables, averaging: Averaging) -> None:  # noqa: C901, PLR0915
    """Traverse the tree for ``player``, adding to the tables' ``regrets`` and ``average`` in place.

    At each *history* h of the player: ``regrets += r(h)`` with ``r(h, a) = cf_reach(h) (v(h, a) - v(h))``,
    and one step of averaging. One long function: handing the tree to a smaller one at each history costs
    three times as much.
    """
    depth, players = len(tree.level_first) - 1, tree.payoffs.shape[1]
    history, child, action = np.zeros(depth, np.int64), np.ones(depth, np.int64), np.zeros(depth, np.int64)
    value, edge = np.zeros(depth), np.ones(depth)
    utilities = np.zeros((depth, np.max(np.diff(tree.first))))
    reach = np.ones((depth, players + 1))  # chance is the last column
    policy, regrets, average = tables
    decay, weight, volatile = averaging
    d = 0
    while True:
        h, c = history[d], child[d]
        mover = tree.actor[h]
        if c == tree.end[h]:
            if mover == player:
                start, stop = tree.first[tree.infoset[h]], tree.first[tree.infoset[h] + 1]
                counterfactual, magnitude = _counterfactual(reach[d], player), 0.0
                for s in range(start, stop):
                    r = counterfactual * (utilities[d, s - start] - value[d])
                    regrets[s] += r
                    magnitude = max(magnitude, abs(r))
                w = vad_weight(weight, magnitude) if volatile else weight
                for s in range(start, stop):
                    average[s] = average[s] * decay + w * reach[d, player] * policy[s]
            if d == 0:
                return
            utility = value[d]
            d -= 1
        else:
            edge[d] = tree.chance[c] if mover == CHANCE else policy[tree.first[tree.infoset[h]] + action[d]]
            utility = 0.0
            if tree.actor[c] == TERMINAL:
                utility = tree.payoffs[tree.infoset[c], player]
            else:
                for p in range(players + 1):
                    reach[d + 1, p] = reach[d, p]
                reach[d + 1, mover] *= edge[d]
                if tree.actor[c] == CHANCE or _reached(reach[d + 1]):
                    d += 1
                    history[d], child[d], action[d], value[d] = c, c + 1, 0, 0.0
                    continue
        if tree.actor[history[d]] == player:
            utilities[d, action[d]] = utility
        value[d] += edge[d] * utility
        child[d] = tree.end[child[d]]
        action[d] += 1


@njit(cache=True)
def _reached(reach: np.ndarray) -> bool:
    """Whether any player comes here. OpenSpiel skips the rest, which shows where averages decay."""
    for p in range(len(reach) - 1):
        if reach[p] != 0.0:
            return True
    return False


@njit(cache=True)
def _counterfactual(reach: np.ndarray, player: int) -> float:
    """Product of the others' reach, associated as OpenSpiel does."""
    before, after = 1.0, 1.0
    for p in range(player):
        before *= reach[p]
    for p in range(player + 1, len(reach)):
        after *= reach[p]
    return before * after


@njit(cache=True)
def vad_weight(base: float, m: float) -> float:
    """Weight of a contribution to VAD-CFR's average (Listing 5), m the largest absolute regret."""
    gamma = min(4.0, 2.0 + 1.5 * min(1.0, m / 2.0))
    return base**gamma * (1.0 / (1.0 + m**1.5)) * max(0.1, (1.0 + m / 2.0) ** 0.5)


@njit(cache=True)
def exploitability(tree: Histories, policy: np.ndarray) -> float:
    """NashConv / players of ``policy`` [sequences], exact; may be negative by round-off (about 1e-16).

    In a game of imperfect recall the best response is OpenSpiel's: at each infoset the action that is
    best given later choices, histories weighted by what the others and chance do.
    """
    players = tree.payoffs.shape[1]
    edges = _edges(tree, policy)
    total = 0.0
    for player in range(players):
        total += _best_response(tree, player, edges) - _value(tree, player, edges)
    return total / players


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
def _value(tree: Histories, player: int, edges: np.ndarray) -> float:
    """What ``player`` gets when everybody follows the policy."""
    value = np.zeros(len(tree.actor))
    for h in range(len(tree.actor) - 1, -1, -1):
        if tree.actor[h] == TERMINAL:
            value[h] = tree.payoffs[tree.infoset[h], player]
        else:
            c = h + 1
            while c < tree.end[h]:
                value[h] += edges[c] * value[c]
                c = tree.end[c]
    return value[0]


@njit(cache=True)
def _counterfactual_reach(tree: Histories, player: int, edges: np.ndarray) -> np.ndarray:
    """[histories]: the probability with which the others and chance lead there."""
    reach = np.ones(len(tree.actor))
    for h in range(len(tree.actor)):
        c = h + 1
        while c < tree.end[h]:
            reach[c] = reach[h] if tree.actor[h] == player else reach[h] * edges[c]
            c = tree.end[c]
    return reach


@njit(cache=True)
def _best_response(tree: Histories, player: int, edges: np.ndarray) -> float:
    """What ``player`` gets by a best response, found level by level from the deepest histories."""
    reach = _counterfactual_reach(tree, player, edges)
    value = np.zeros(len(tree.actor))
    worth = np.zeros(tree.first[-1])
    for level in range(len(tree.level_first) - 2, -1, -1):
        members = tree.levels[tree.level_first[level] : tree.level_first[level + 1]]
        for h in members:
            if tree.actor[h] == TERMINAL:
                value[h] = tree.payoffs[tree.infoset[h], player]
                continue
            c, a = h + 1, 0
            while c < tree.end[h]:
                if tree.actor[h] == player:
                    worth[tree.first[tree.infoset[h]] + a] += reach[h] * value[c]
                else:
                    value[h] += edges[c] * value[c]
                c, a = tree.end[c], a + 1
        for h in members:
            if tree.actor[h] == player:
                infoset = tree.infoset[h]
                c = h + 1
                for _ in range(np.argmax(worth[tree.first[infoset] : tree.first[infoset + 1]])):
                    c = tree.end[c]
                value[h] = value[c]
    return value[0]
