"""Leduc hold'em (Southey et al. 2005), two players, the rules of OpenSpiel's leduc_poker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step

FOLD, CALL, RAISE = 0, 1, 2
MOST_RAISES, LONGEST = 2, 4
DEALS = np.array([(a, b, c) for a in range(6) for b in range(6) for c in range(6) if len({a, b, c}) == 3])
"""Both players' cards and the public one; card // 2 is its rank."""


class Leduc(Environment):
    """Ante 1, raises of 2 and 4, at most two a round. A player sees its rank, the public rank once it is
    dealt,
    and every bet so far; with that observation recall is perfect."""

    STATE = ("deal", "pot", "bets", "round", "turn", "raises")

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        size = 3 + 3 + 2 + 2 * LONGEST * 2
        self.agents = tuple(Agent(f"player_{i}", size, 3, role=i, team=i) for i in range(2))
        self.deal = np.zeros((batch, 3), int)
        self.pot = np.ones((batch, 2), np.float32)
        self.bets = np.zeros((batch, 2, LONGEST), int)  # per round: 0 not yet, 1 call, 2 raise
        self.round, self.turn, self.raises = (np.zeros(batch, int) for _ in range(3))

    def reset(self, where: np.ndarray) -> None:
        self.deal[where] = DEALS[self.chance.integers(len(DEALS), size=self.batch)][where]
        self.pot[where] = 1.0
        self.bets[where] = 0
        for counter in (self.round, self.turn, self.raises):
            counter[where] = 0

    def mover(self) -> np.ndarray:
        return self.turn % 2

    def observe(self) -> list[np.ndarray]:
        rank = self.deal // 2
        public = np.where(self.round[:, None] > 0, rank[:, 2:] == np.arange(3), False)
        bets = np.concatenate([self.bets == CALL, self.bets == RAISE], 2).reshape(self.batch, -1)
        who = self.acting()
        return [
            np.concatenate([rank[:, i, None] == np.arange(3), public, who, bets], 1).astype(np.float32)
            for i in range(2)
        ]

    def acting(self) -> np.ndarray:
        return self.mover()[:, None] == np.arange(2)

    def legal(self) -> list[np.ndarray | None]:
        behind = self.pot[:, 0] != self.pot[:, 1]
        free = np.stack([behind, np.ones(self.batch, bool), self.raises < MOST_RAISES], 1)
        waiting = np.arange(3) == 0
        turn = self.acting()
        return [np.where(turn[:, i, None], free, waiting) for i in range(2)]

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        rows, mover = np.arange(self.batch), self.mover()
        action = np.where(mover == 0, actions[0], actions[1])
        most = self.pot.max(1)
        paid = most + np.where(action == RAISE, 2.0 * (self.round + 1), 0.0)
        self.pot[rows, mover] = np.where(action == FOLD, self.pot[rows, mover], paid)
        self.bets[rows, self.round, np.minimum(self.turn, LONGEST - 1)] = action
        folded = action == FOLD
        closed = (action == CALL) & (self.turn > 0)
        shown = closed & (self.round == 1)
        winner = np.where(folded, 1 - mover, self._stronger())
        stake = np.where(folded, self.pot[rows, mover], self.pot[:, 0])
        gain = np.where((folded | shown) & (winner >= 0), stake, 0.0)
        rewards = np.where(winner[:, None] == np.arange(2), gain[:, None], -gain[:, None])
        self.raises = np.where(closed, 0, self.raises + (action == RAISE))
        self.turn = np.where(closed, 0, self.turn + 1)
        self.round = np.where(closed, np.minimum(self.round + 1, 1), self.round)
        ended = folded | shown
        return Step(rewards.astype(np.float32), ended, np.repeat(ended[:, None], 2, 1))

    def _stronger(self) -> np.ndarray:
        """[B] who wins a showdown, -1 for nobody."""
        rank = self.deal // 2
        strength = rank[:, :2] + 10 * (rank[:, :2] == rank[:, 2:])
        return np.where(strength[:, 0] == strength[:, 1], -1, strength.argmax(1))
