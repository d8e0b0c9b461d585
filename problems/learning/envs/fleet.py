"""A robot fleet, a worked example: carry parcels on a floor of squares; batteries run out (agents die)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step

MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])
"""Stay, up, down, left, right."""


class Fleet(Environment):
    """Three robots on 5 x 5 squares. Standing on a parcel delivers it: everybody gets 1, and a new one
    appears. A move costs a unit of battery, staying does not; a robot with an empty battery is out. Moves
    over the
    edge are not legal; robots that would share a square lose 0.2 each.
    """

    centralised = True
    SIZE, ROBOTS, PARCELS, TIME, CHARGE = 5, 3, 2, 24, 16

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        size = 3 + 2 * self.PARCELS + 2 * (self.ROBOTS - 1) + self.ROBOTS
        self.agents = tuple(Agent(f"robot_{i}", size, 5) for i in range(self.ROBOTS))
        self.robots = np.zeros((batch, self.ROBOTS, 2), int)
        self.parcels = np.zeros((batch, self.PARCELS, 2), int)
        self.charge = np.zeros((batch, self.ROBOTS), int)
        self.time = np.zeros(batch, int)

    def reset(self, where: np.ndarray) -> None:
        self.robots[where] = self._drawn(self.ROBOTS)[where]
        self.parcels[where] = self._drawn(self.PARCELS)[where]
        self.charge[where] = self.CHARGE
        self.time[where] = 0

    def _drawn(self, count: int) -> np.ndarray:
        return self.chance.integers(self.SIZE, size=(self.batch, count, 2))

    def observe(self) -> list[np.ndarray]:
        seen = []
        for i in range(self.ROBOTS):
            own = self.robots[:, i, None]
            others = np.delete(self.robots, i, 1) - own
            parts = [self.robots[:, i], self.charge[:, i, None] / 4.0]
            parts += [(self.parcels - own).reshape(self.batch, -1), others.reshape(self.batch, -1)]
            parts += [np.broadcast_to(np.eye(self.ROBOTS)[i], (self.batch, self.ROBOTS))]
            seen.append(np.concatenate(parts, 1).astype(np.float32) / 2.0)
        return seen

    def legal(self) -> list[np.ndarray | None]:
        target = self.robots[:, :, None] + MOVES  # [B, N, 5, 2]
        free = ((target >= 0) & (target < self.SIZE)).all(-1) & (self.charge > 0)[:, :, None]
        free[:, :, 0] = True
        return [free[:, i] for i in range(self.ROBOTS)]

    def acting(self) -> np.ndarray:
        return self.charge > 0

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        chosen = np.stack(actions, 1)
        moving = (self.charge > 0) & (chosen > 0)
        self.robots = self.robots + MOVES[chosen] * moving[:, :, None]
        self.charge = self.charge - moving
        alive = self.charge > 0
        on = (self.robots[:, :, None] == self.parcels[:, None]).all(-1)  # [B, N, parcels]
        delivered = on.any(1)
        self.parcels = np.where(delivered[:, :, None], self._drawn(self.PARCELS), self.parcels)
        same = (self.robots[:, :, None] == self.robots[:, None]).all(-1).sum(2) > 1
        rewards = delivered.sum(1, keepdims=True) - 0.2 * same
        self.time += 1
        ended = (self.time >= self.TIME) | ~alive.any(1)
        return Step(rewards * (alive | moving), ended, ~alive | ended[:, None])
