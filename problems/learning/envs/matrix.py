"""Matrix games, once or repeated, and small congestion games."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step

Payoffs = Sequence[Sequence[Sequence[float]]]
"""[agent][own or first action][second action]"""
DILEMMA: Payoffs = (((3, 0), (4, 1)), ((3, 4), (0, 1)))
STAG_HUNT: Payoffs = (((4, 0), (3, 2)), ((4, 3), (0, 2)))
CHICKEN: Payoffs = (((3, 1), (4, 0)), ((3, 4), (1, 0)))
SCISSORS: Payoffs = (((0, -2, 1), (2, 0, -1), (-1, 1, 0)), ((0, 2, -1), (-2, 0, 1), (1, -1, 0)))
"""Rock, paper, scissors in which paper against rock pays double: the equilibrium is (1/4, 1/4, 1/2)."""


class Matrix(Environment):
    """Two agents, one payoff matrix each, repeated; they see the last joint action."""

    centralised = open = True

    def __init__(self, batch: int, chance: Chance, payoffs: Payoffs, rounds: int) -> None:
        super().__init__(batch, chance)
        self.payoffs = np.array(payoffs, np.float32)  # [2, A, A]
        self.actions, self.rounds = self.payoffs.shape[1], rounds
        size = 1 + 2 * self.actions if rounds > 1 else 1
        self.agents = tuple(Agent(f"player_{i}", size, self.actions, role=i) for i in range(2))
        self.open = rounds > 1
        self.last = np.zeros((batch, 2), int)
        self.time = np.zeros(batch, int)

    def reset(self, where: np.ndarray) -> None:
        self.time[where] = 0

    def observe(self) -> list[np.ndarray]:
        if self.rounds == 1:
            return [np.ones((self.batch, 1), np.float32)] * 2
        seen = np.zeros((self.batch, 1 + 2 * self.actions), np.float32)
        begun = self.time > 0
        seen[:, 0] = ~begun
        rows = np.arange(self.batch)
        for i in range(2):
            seen[rows, 1 + i * self.actions + self.last[:, i]] = begun
        return [
            seen,
            np.concatenate([seen[:, :1], seen[:, 1 + self.actions :], seen[:, 1 : 1 + self.actions]], 1),
        ]

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        first, second = actions
        self.last = np.stack([first, second], 1)
        self.time += 1
        ended = self.time >= self.rounds
        rewards = self.payoffs[:, first, second].T
        return Step(rewards, ended, np.repeat(ended[:, None], 2, 1))


class Congestion(Environment):
    """N agents choose among resources; each pays its resource's cost, which grows with the load on it
    (Rosenthal 1973). Agents see the loads of the last round.

    Args:
        slopes, offsets: cost of a resource with n users is slope * n + offset.
    """

    centralised = open = True

    def __init__(
        self, batch: int, chance: Chance, users: int, slopes: Sequence[float], offsets: Sequence[float]
    ) -> None:
        super().__init__(batch, chance)
        self.slopes, self.offsets = np.array(slopes), np.array(offsets)
        self.users, self.rounds = users, 8
        count = len(slopes)
        self.agents = tuple(Agent(f"user_{i}", 1 + count + users, count, role=0) for i in range(users))
        self.loads = np.zeros((batch, count))
        self.time = np.zeros(batch, int)

    def reset(self, where: np.ndarray) -> None:
        self.time[where] = 0
        self.loads[where] = 0.0

    def observe(self) -> list[np.ndarray]:
        seen = np.concatenate([(self.time == 0)[:, None], self.loads / self.users], 1)
        who = np.eye(self.users)
        shape = (self.batch, self.users)
        return [
            np.concatenate([seen, np.broadcast_to(who[i], shape)], 1).astype(np.float32)
            for i in range(self.users)
        ]

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        chosen = np.stack(actions, 1)  # [B, N]
        self.loads = (chosen[:, :, None] == np.arange(len(self.slopes))).sum(1).astype(float)
        self.time += 1
        ended = self.time >= self.rounds
        rewards = -np.take_along_axis(self.costs(), chosen, 1)
        return Step(rewards, ended, np.repeat(ended[:, None], self.users, 1))

    def costs(self) -> np.ndarray:
        """[B, resources] what each user of a resource pays."""
        return self.slopes * self.loads + self.offsets


class Routing(Congestion):
    """Network routing, a worked example: four drivers cross Braess's network (1968) from s to t.

    Routes: s-a-t, s-b-t, and s-a-b-t over the free shortcut. Edges s-a and b-t cost their load, a-t and
    s-b cost
    4.5: everybody over the shortcut is the only equilibrium and costs 8 each; two and two cost 6.5.
    """

    FIXED = 4.5

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance, 4, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))

    def costs(self) -> np.ndarray:
        over_a, over_b = self.loads[:, 0] + self.loads[:, 2], self.loads[:, 1] + self.loads[:, 2]
        return np.stack([over_a + self.FIXED, self.FIXED + over_b, over_a + over_b], 1)
