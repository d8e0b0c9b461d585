"""A market, a worked example: two sellers set prices, buyers choose by a logit (continuous actions)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step


class Market(Environment):
    """Bertrand competition with differentiated products, as in Calvano et al. (2020): quality 2, cost 1,
    differentiation 1/4. An action in [-1, 1] is a price in [1, 2.5]; the equilibrium price is 1.473, a
    monopolist
    would take 1.925. Sellers see the prices of the last day; a year has ten days.
    """

    centralised = True
    QUALITY, COST, SPREAD, DAYS = 2.0, 1.0, 0.25, 10

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        self.agents = tuple(Agent(f"seller_{i}", 3, 1, continuous=True, role=i) for i in range(2))
        self.prices = np.zeros((batch, 2))
        self.time = np.zeros(batch, int)

    def reset(self, where: np.ndarray) -> None:
        self.time[where] = 0
        self.prices[where] = 0.0

    def observe(self) -> list[np.ndarray]:
        begun = (self.time > 0)[:, None]
        seen = np.where(begun, self.prices - 1.5, 0.0)
        return [np.concatenate([begun, seen[:, [i, 1 - i]]], 1).astype(np.float32) for i in range(2)]

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        self.prices = 1.75 + 0.75 * np.clip(np.concatenate(list(actions), 1), -1.0, 1.0)
        self.time += 1
        ended = self.time >= self.DAYS
        return Step(self.profits(self.prices), ended, np.repeat(ended[:, None], 2, 1))

    def profits(self, prices: np.ndarray) -> np.ndarray:
        """[B, 2] -> [B, 2]"""
        pull = np.exp((self.QUALITY - prices) / self.SPREAD)
        return (prices - self.COST) * pull / (pull.sum(1, keepdims=True) + 1.0)
