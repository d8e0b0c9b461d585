"""One player's traversal of the tree in OpenSpiel's order of operations, and the exact exploitability.

Regret minimisation is chaotic in floating point: another order of the same sums breaks exact ties
otherwise at once, and ends elsewhere after a few hundred iterations. So every product and sum of the
traversal is in the order of OpenSpiel 2's ``python/algorithms/cfr.py``, which the paper's curves follow.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from problems.li2026.histories import CHANCE, TERMINAL, Histories

Averaging = tuple[float, float, bool]
"""(decay, weight, volatile): ``average <- decay average + w reach policy`` at each history, where w is
``weight``, or if volatile VAD-CFR's weight of the history's regrets with base ``weight``."""


@njit(cache=True)
def sweep(
    tree: Histories,
    player: int,
    policy: np.ndarray,
    regrets: np.ndarray,
    average: np.ndarray,
    averaging: Averaging,
) -> None:
    """Traverse the tree for ``player``; all arrays are [sequences], ``regrets`` and ``average`` change in place.

    At each *history* h of the player: ``regrets += r(h)`` with ``r(h, a) = cf_reach(h) (v(h, a) - v(h))``,
    and one step of averaging. Branches that every player avoids are skipped, as OpenSpiel does.
    """
    depth, players = len(tree.level_first) - 1, tree.payoffs.shape[1]
    history, child, action = np.zeros(depth, np.int64), np.ones(depth, np.int64), np.zeros(depth, np.int64)
    value, edge = np.zeros(depth), np.ones(depth)
    utilities = np.zeros((depth, np.max(np.diff(tree.first))))
    reach = np.ones((depth, players + 1))
    d = 0
    while True:
        h, c = history[d], child[d]
        if c == tree.end[h]:
            if tree.actor[h] == player:
                start, stop = tree.first[tree.infoset[h]], tree.first[tree.infoset[h] + 1]
                r = _counterfactual(reach[d], player) * (utilities[d, : stop - start] - value[d])
                regrets[start:stop] += r
                decay, weight, volatile = averaging
                if volatile:
                    weight = vad_weight(weight, np.max(np.abs(r)))
                for s in range(start, stop):
                    average[s] = average[s] * decay + weight * reach[d, player] * policy[s]
            if d == 0:
                return
            utility = value[d]
            d -= 1
        else:
            mover = tree.actor[h]
            edge[d] = tree.chance[c] if mover == CHANCE else policy[tree.first[tree.infoset[h]] + action[d]]
            if tree.actor[c] == TERMINAL:
                utility = tree.payoffs[tree.infoset[c], player]
            else:
                reach[d + 1] = reach[d]
                reach[d + 1, mover] *= edge[d]  # chance is the last column
                if tree.actor[c] == CHANCE or np.any(reach[d + 1, :players] != 0.0):
                    d += 1
                    history[d], child[d], action[d], value[d] = c, c + 1, 0, 0.0
                    continue
                utility = 0.0
        if tree.actor[history[d]] == player:
            utilities[d, action[d]] = utility
        value[d] += edge[d] * utility
        child[d] = tree.end[child[d]]
        action[d] += 1


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
    total = 0.0
    for player in range(players):
        total += _best_response(tree, player, policy) - _value(tree, player, policy)
    return total / players


@njit(cache=True)
def _edge(tree: Histories, h: int, c: int, a: int, policy: np.ndarray) -> float:
    return tree.chance[c] if tree.actor[h] == CHANCE else policy[tree.first[tree.infoset[h]] + a]


@njit(cache=True)
def _value(tree: Histories, player: int, policy: np.ndarray) -> float:
    """What ``player`` gets when everybody follows ``policy``."""
    value = np.zeros(len(tree.actor))
    for h in range(len(tree.actor) - 1, -1, -1):
        if tree.actor[h] == TERMINAL:
            value[h] = tree.payoffs[tree.infoset[h], player]
        else:
            c, a = h + 1, 0
            while c < tree.end[h]:
                value[h] += _edge(tree, h, c, a, policy) * value[c]
                c, a = tree.end[c], a + 1
    return value[0]


@njit(cache=True)
def _counterfactual_reach(tree: Histories, player: int, policy: np.ndarray) -> np.ndarray:
    """[histories]: the probability with which the others and chance lead there."""
    reach = np.ones(len(tree.actor))
    for h in range(len(tree.actor)):
        c, a = h + 1, 0
        while c < tree.end[h]:
            reach[c] = reach[h] if tree.actor[h] == player else reach[h] * _edge(tree, h, c, a, policy)
            c, a = tree.end[c], a + 1
    return reach


@njit(cache=True)
def _best_response(tree: Histories, player: int, policy: np.ndarray) -> float:
    """What ``player`` gets by a best response, found level by level from the deepest histories."""
    reach = _counterfactual_reach(tree, player, policy)
    value = np.zeros(len(tree.actor))
    worth = np.zeros(len(policy))
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
                    value[h] += _edge(tree, h, c, a, policy) * value[c]
                c, a = tree.end[c], a + 1
        for h in members:
            if tree.actor[h] == player:
                infoset = tree.infoset[h]
                best = np.argmax(worth[tree.first[infoset] : tree.first[infoset + 1]])
                c = h + 1
                for _ in range(best):
                    c = tree.end[c]
                value[h] = value[c]
    return value[0]
