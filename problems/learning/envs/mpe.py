"""Particle worlds (Lowe et al. 2017; package mpe2), all copies at once. Tests hold them to mpe2 step by
step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from problems.learning.envs.base import Agent, Chance, Environment, Step

PUSH = np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
"""Directions of the five actions."""
TIME_STEP, DAMPING, FORCE, MARGIN = 0.1, 0.25, 100.0, 1e-3
CYCLES = 25


@dataclass(frozen=True)
class Body:
    """A thing in the world, agents first."""

    size: float
    collides: bool = False
    movable: bool = True
    push: float = 5.0
    """Force of an action."""
    fastest: float = 1e9


class World(Environment):
    """Point masses with soft collisions; subclasses say who is in it, what they see and what they get."""

    bodies: tuple[Body, ...] = ()
    LANDMARKS_WITHIN = 1.0

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        self.place = np.zeros((batch, len(self.bodies), 2))
        self.speed = np.zeros((batch, len(self.agents), 2))
        self.time = np.zeros(batch, int)
        self.goal = np.zeros(batch, int)
        pairs = [(a, b) for a in range(len(self.bodies)) for b in range(a + 1, len(self.bodies))]
        self.touching = [
            (a, b) for a, b in pairs if self.bodies[a].collides and self.bodies[b].collides and a < self.count
        ]

    @property
    def count(self) -> int:
        return len(self.agents)

    @property
    def landmarks(self) -> np.ndarray:
        return self.place[:, self.count :]

    def reset(self, where: np.ndarray) -> None:
        drawn = self.chance.uniform(-1.0, 1.0, self.place.shape)
        drawn[:, self.count :] *= self.LANDMARKS_WITHIN
        goal = self.chance.integers(max(1, len(self.bodies) - self.count), size=self.batch)
        self.place[where], self.goal[where] = drawn[where], goal[where]
        self.speed[where] = 0.0
        self.time[where] = 0

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        force = np.zeros_like(self.speed)
        for i, action in enumerate(actions):
            if self.bodies[i].movable:
                force[:, i] = PUSH[action] * self.bodies[i].push
        self.heard(actions)
        for a, b in self.touching:
            between = self.place[:, a] - self.place[:, b]
            distance = np.maximum(np.sqrt((between**2).sum(1, keepdims=True)), 1e-12)
            reach = self.bodies[a].size + self.bodies[b].size
            pressed = np.logaddexp(0.0, (reach - distance) / MARGIN) * MARGIN
            apart = FORCE * between / distance * pressed
            for body, sign in ((a, 1.0), (b, -1.0)):
                if body < self.count and self.bodies[body].movable:
                    force[:, body] += sign * apart
        moving = np.array([body.movable for body in self.bodies[: self.count]])[:, None]
        self.place[:, : self.count] += self.speed * TIME_STEP * moving
        speed = self.speed * (1.0 - DAMPING) + force * TIME_STEP
        fastest = np.array([body.fastest for body in self.bodies[: self.count]])[:, None]
        size = np.sqrt((speed**2).sum(2, keepdims=True))
        self.speed = speed * np.minimum(1.0, fastest / np.maximum(size, 1e-12)) * moving
        self.time += 1
        ended = self.time >= CYCLES
        return Step(self.rewards(), ended, np.repeat(ended[:, None], self.count, 1))

    def heard(self, actions: Sequence[np.ndarray]) -> None:
        """Take note of what was said."""

    def rewards(self) -> np.ndarray:
        """[B, N]"""
        raise NotImplementedError

    def seen(self, agent: int) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks and other agents relative to an agent, [B, 2 L] and [B, 2 (N - 1)]."""
        own = self.place[:, agent, None]
        others = np.delete(self.place[:, : self.count], agent, 1)
        return (self.landmarks - own).reshape(self.batch, -1), (others - own).reshape(self.batch, -1)

    def to_goal(self) -> np.ndarray:
        """[B, N] distance of every agent to the goal landmark."""
        target = self.landmarks[np.arange(self.batch), self.goal][:, None]
        return np.sqrt(((self.place[:, : self.count] - target) ** 2).sum(2))

    def near(self, a: int, b: int) -> np.ndarray:
        """[B] whether two bodies overlap."""
        distance = np.sqrt(((self.place[:, a] - self.place[:, b]) ** 2).sum(1))
        return distance < self.bodies[a].size + self.bodies[b].size


class Spread(World):
    """simple_spread_v3: three agents cover three landmarks and avoid each other."""

    centralised = True
    bodies = (Body(0.15, collides=True),) * 3 + (Body(0.05, movable=False),) * 3
    agents = tuple(Agent(f"agent_{i}", 18, 5) for i in range(3))

    def observe(self) -> list[np.ndarray]:
        silence = np.zeros((self.batch, 4))
        return [
            np.concatenate([self.speed[:, i], self.place[:, i], *self.seen(i), silence], 1).astype(np.float32)
            for i in range(3)
        ]

    def rewards(self) -> np.ndarray:
        between = self.place[:, :3, None] - self.landmarks[:, None]
        shared = -np.sqrt((between**2).sum(3)).min(1).sum(1)
        own = np.zeros((self.batch, 3))
        for a, b in ((0, 1), (0, 2), (1, 2)):
            hit = self.near(a, b)
            own[:, a] -= hit
            own[:, b] -= hit
        return 0.5 * shared[:, None] + 0.5 * own


class SpeakerListener(World):
    """simple_speaker_listener_v4: one sees the goal and speaks, the other moves."""

    centralised = True
    bodies = (Body(0.075, movable=False), Body(0.075)) + (Body(0.04, movable=False),) * 3
    agents = (Agent("speaker_0", 3, 3, role=0), Agent("listener_0", 11, 5, role=1))
    COLOURS = np.full((3, 3), 0.15) + 0.5 * np.eye(3)

    def __init__(self, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        self.word = np.zeros((batch, 3))

    def reset(self, where: np.ndarray) -> None:
        super().reset(where)
        self.word[where] = 0.0

    def heard(self, actions: Sequence[np.ndarray]) -> None:
        self.word = np.eye(3)[actions[0]]

    def observe(self) -> list[np.ndarray]:
        listener = np.concatenate([self.speed[:, 1], self.seen(1)[0], self.word], 1)
        return [self.COLOURS[self.goal].astype(np.float32), listener.astype(np.float32)]

    def rewards(self) -> np.ndarray:
        return np.repeat(-(self.to_goal()[:, 1:] ** 2), 2, 1)


class Adversary(World):
    """simple_adversary_v3: two agents know the goal, the adversary has to guess it from where they go."""

    bodies = (Body(0.15),) * 3 + (Body(0.08, movable=False),) * 2
    agents = (
        Agent("adversary_0", 8, 5, role=0, team=0),
        *(Agent(f"agent_{i}", 10, 5, role=1, team=1) for i in range(2)),
    )

    def observe(self) -> list[np.ndarray]:
        seen = [np.concatenate(self.seen(0), 1)]
        target = self.landmarks[np.arange(self.batch), self.goal]
        seen += [np.concatenate([target - self.place[:, i], *self.seen(i)], 1) for i in (1, 2)]
        return [one.astype(np.float32) for one in seen]

    def rewards(self) -> np.ndarray:
        distance = self.to_goal()
        good = distance[:, 0] - distance[:, 1:].min(1)
        return np.stack([-distance[:, 0], good, good], 1)


class Tag(World):
    """simple_tag_v3: three slow predators hunt one fast prey among two obstacles."""

    LANDMARKS_WITHIN = 0.9
    bodies = (
        *(Body(0.075, collides=True, push=3.0, fastest=1.0),) * 3,
        Body(0.05, collides=True, push=4.0, fastest=1.3),
        *(Body(0.2, collides=True, movable=False),) * 2,
    )
    agents = (
        *(Agent(f"adversary_{i}", 16, 5, role=0, team=0) for i in range(3)),
        Agent("agent_0", 14, 5, role=1, team=1),
    )

    def observe(self) -> list[np.ndarray]:
        seen = []
        for i in range(4):
            parts = [self.speed[:, i], self.place[:, i], *self.seen(i)]
            seen.append(np.concatenate(parts + ([self.speed[:, 3]] if i < 3 else []), 1).astype(np.float32))
        return seen

    def rewards(self) -> np.ndarray:
        caught = sum(self.near(i, 3).astype(float) for i in range(3))
        outside = np.abs(self.place[:, 3])
        fine = np.where(outside < 1.0, (outside - 0.9) * 10, np.minimum(np.exp(2 * outside - 2), 10.0))
        prey = -10.0 * caught - np.where(outside < 0.9, 0.0, fine).sum(1)
        return np.stack([10.0 * caught] * 3 + [prey], 1)


def steered(world: Environment, agent: int, numbers: np.ndarray) -> np.ndarray:
    """A script for both sides: hunters go for the prey, the prey flees the nearest hunter and the edge; in
    Adversary the adversary goes to the nearer landmark of the agents' centre, agents to one landmark each."""
    assert isinstance(world, World)
    own = world.place[:, agent]
    if isinstance(world, Tag):
        if agent < 3:
            return _towards(world.place[:, 3] - own)
        away = own[:, None] - world.place[:, :3]
        distance = np.sqrt((away**2).sum(2, keepdims=True))
        flight = (away / np.maximum(distance, 0.05) ** 2).sum(1) - 4.0 * own * (np.abs(own) > 0.8)
        return _towards(flight)
    if agent == 0:
        centre = world.place[:, 1:3].mean(1)[:, None]
        nearer = ((world.landmarks - centre) ** 2).sum(2).argmin(1)
    else:
        nearer = np.where(agent == 1, world.goal, 1 - world.goal)
    return _towards(world.landmarks[np.arange(world.batch), nearer] - own)


def _towards(direction: np.ndarray) -> np.ndarray:
    """[B, 2] -> the action that pushes most that way; none where it is there."""
    along = np.abs(direction).argmax(1)
    size = np.take_along_axis(direction, along[:, None], 1)[:, 0]
    return np.where(np.abs(size) < 0.05, 0, 1 + 2 * along + (size > 0))
