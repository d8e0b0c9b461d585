"""Exact exploitability of policies in a small environment, whose tree the environment itself walks once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from problems.learning.envs.base import Environment

Evaluate = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""(player, observations [K, O], legal [K, A]) -> policies [S, K, A]"""


@dataclass(frozen=True)
class Level:
    """The states after equally many moves, from which it goes on."""

    player: np.ndarray
    """[K] who moves at an observation."""
    observation: np.ndarray
    """[K, O] the movers' distinct observations."""
    legal: np.ndarray
    """[K, A]"""
    infoset: np.ndarray
    """[M] which observation each state shows."""
    state: np.ndarray
    """[E] per edge: where from."""
    action: np.ndarray
    """[E]"""
    child: np.ndarray
    """[E] row of the next level; -1 where the game ends."""
    reward: np.ndarray
    """[E, N]"""


class Tree:
    """A turn-based two-player environment whose chance moves come first.

    Args:
        environment: one copy per deal, just reset; its attributes ``STATE`` are its whole state.
        chance: [B] probability of every deal.
    """

    def __init__(self, environment: Environment, chance: np.ndarray) -> None:
        self.chance, self.levels = chance, []
        while environment.batch:
            level, environment = _expand(environment)
            self.levels.append(level)

    def exploitability(self, evaluate: Evaluate) -> np.ndarray:
        """[S] mean over players of what a best response gains (NashConv / 2)."""
        policies = [_policy(level, evaluate) for level in self.levels]
        best = [self._value(policies, player)[0] for player in range(2)]
        own = self._value(policies, None)
        return (best[0] + best[1] - own.sum(0)) / 2.0

    def _value(self, policies: list[np.ndarray], responder: int | None) -> np.ndarray:
        """[1, S] of the responder's best response, or [2, S] of the policies themselves."""
        who = [0, 1] if responder is None else [responder]
        reaches = self._reaches(policies, responder)
        seeds = policies[0].shape[0]
        below = np.zeros((len(who), seeds, 1))  # the row -1 where the game ends
        for level, policy, reach in zip(self.levels[::-1], policies[::-1], reaches[::-1], strict=True):
            worth = level.reward[:, who].T[:, None] + below[:, :, level.child]  # [who, S, E]
            infoset = level.infoset[level.state]
            weight = policy[:, infoset, level.action]
            if responder is not None:
                chosen = _best(level, worth[0], reach)[:, infoset] == level.action
                weight = np.where(level.player[infoset] == responder, chosen, weight)
            below = np.zeros((len(who), seeds, len(level.infoset) + 1))
            for k in range(len(who)):
                for s in range(seeds):
                    np.add.at(below[k, s], level.state, weight[s] * worth[k, s])
        return below[:, :, :-1] @ self.chance

    def _reaches(self, policies: list[np.ndarray], responder: int | None) -> list[np.ndarray]:
        """Per level [S, M] probability of everybody's moves but the responder's."""
        seeds = policies[0].shape[0]
        found = [np.broadcast_to(self.chance, (seeds, len(self.chance)))]
        for level, policy, after in zip(self.levels, policies, self.levels[1:], strict=False):
            on = level.child >= 0
            infoset = level.infoset[level.state[on]]
            played = policy[:, infoset, level.action[on]]
            weight = found[-1][:, level.state[on]]
            weight = weight * np.where(level.player[infoset] == responder, 1.0, played)
            reach = np.zeros((seeds, len(after.infoset)))
            for s in range(seeds):
                np.add.at(reach[s], level.child[on], weight[s])
            found.append(reach)
        return found


def _policy(level: Level, evaluate: Evaluate) -> np.ndarray:
    """[S, K, A] at all observations of a level, each by its mover."""
    parts = [(level.player == player).nonzero()[0] for player in range(2)]
    made = [evaluate(i, level.observation[k], level.legal[k]) for i, k in enumerate(parts) if len(k)]
    out = np.zeros((made[0].shape[0], *level.legal.shape))
    for k, part in zip((k for k in parts if len(k)), made, strict=True):
        out[:, k] = part
    return out


def _best(level: Level, worth: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """[S, K] the action of most counterfactual worth at each observation."""
    seeds, actions = worth.shape[0], level.legal.shape[1]
    total = np.zeros((seeds, len(level.observation), actions))
    for s in range(seeds):
        np.add.at(total[s], (level.infoset[level.state], level.action), reach[s, level.state] * worth[s])
    return np.where(level.legal, total, -np.inf).argmax(2)


def _expand(environment: Environment) -> tuple[Level, Environment]:
    """One level, and the environment of the states after it, equal ones merged."""
    mover = environment.acting().argmax(1)
    rows = np.arange(environment.batch)
    seen = np.stack(environment.observe())[mover, rows]
    legal = np.stack([mask for mask in environment.legal() if mask is not None])[mover, rows]
    marked = np.concatenate([mover[:, None], seen], 1)
    _, first, infoset = np.unique(marked, axis=0, return_index=True, return_inverse=True)
    state, action = np.nonzero(legal)
    after = _copies(environment, state)
    step = after.step([np.where(mover[state] == player, action, 0) for player in range(2)])
    going = np.flatnonzero(~step.ended)
    child = np.full(len(state), -1)
    following = _copies(after, going)
    if len(going):
        key = np.concatenate([v.reshape(len(going), -1).astype(float) for v in _state(following)], 1)
        _, first_of, child[going] = np.unique(key, axis=0, return_index=True, return_inverse=True)
        following = _copies(following, first_of)
    level = Level(
        player=mover[first],
        observation=seen[first],
        legal=legal[first],
        infoset=infoset.ravel(),
        state=state,
        action=action,
        child=child,
        reward=step.rewards.astype(float),
    )
    return level, following


def _state(environment: Environment) -> list[np.ndarray]:
    return [getattr(environment, name) for name in environment.STATE]


def _copies(environment: Environment, rows: np.ndarray) -> Environment:
    """An environment whose copies are these rows of the given one."""
    made = copy.copy(environment)
    made.batch = len(rows)
    for name in environment.STATE:
        setattr(made, name, getattr(environment, name)[rows].copy())
    return made


class OneShot:
    """The same for two players who move once and at once.

    Args:
        payoffs: [2, A, A], by the first player's and the second player's action.
    """

    def __init__(self, payoffs: np.ndarray) -> None:
        self.payoffs = payoffs

    def exploitability(self, evaluate: Evaluate) -> np.ndarray:
        """[S] mean over players of what a best response gains."""
        every = np.ones((1, self.payoffs.shape[1]), bool)
        first, second = (evaluate(i, np.ones((1, 1), np.float32), every)[:, 0] for i in range(2))
        of_first = second @ self.payoffs[0].T  # [S, A]
        of_second = first @ self.payoffs[1]
        gains = of_first.max(1) - (first * of_first).sum(1) + of_second.max(1) - (second * of_second).sum(1)
        return gains / 2.0
