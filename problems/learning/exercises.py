"""Two small PettingZoo environments on which exported scripts are checked. They import nothing of ours, for
their text travels to where nothing of ours is."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from pettingzoo import ParallelEnv


class Foraging(ParallelEnv):
    """Two foragers share a heap of food and tire, a keeper may add to it or tax them: masks, agents of one
    role, agents who leave early, several kinds of action, and chance."""

    metadata = {"name": "foraging"}
    possible_agents = ["forager_0", "forager_1", "keeper"]

    def observation_space(self, agent: str) -> Any:
        seen = Box(-1.0, 2.0, (3,), np.float32)
        if agent == "keeper":
            return seen
        return Dict({"observation": seen, "action_mask": Box(0, 1, (3,), np.int8)})

    def action_space(self, agent: str) -> Any:
        return MultiDiscrete([2, 2]) if agent == "keeper" else Discrete(3)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.chance = np.random.default_rng(seed)
        self.agents, self.time, self.heap = list(self.possible_agents), 0, 4.0
        self.strength = {name: 4 for name in self.agents[:2]}
        return self.seen(), {name: {} for name in self.agents}

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.agents:
            own = self.strength.get(name, 0)
            numbers = np.array([min(self.heap, 10.0) / 10, own / 4, self.time / 8], np.float32)
            mask = np.array([1, own > 0, own > 1], np.int8)
            found[name] = numbers if name == "keeper" else {"observation": numbers, "action_mask": mask}
        return found

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        rewards = dict.fromkeys(self.agents, 0.0)
        for name, action in actions.items():
            if name == "keeper":
                self.heap += float(action[0]) * self.chance.random()
                rewards[name] -= 0.2 * float(action[0])
            else:
                rewards[name] += min(self.heap, float(action))
                self.heap -= min(self.heap, float(action))
                self.strength[name] -= int(action)
        if "keeper" in actions and actions["keeper"][1]:
            for name in self.agents:
                rewards[name] += 0.1 if name == "keeper" else -0.1
        self.time += 1
        over = dict.fromkeys(self.agents, self.time >= 8)
        tired = {name: self.strength.get(name, 1) <= 0 for name in self.agents}
        made: tuple[Any, ...] = self.seen(), rewards, tired, over, {name: {} for name in self.agents}
        self.agents = [name for name in self.agents if not tired[name] and not over[name]]
        return made


class Tracking(ParallelEnv):
    """Two followers of different reach chase a point that drifts: vectors for observations and actions."""

    metadata = {"name": "tracking"}
    possible_agents = ["near", "far"]

    def observation_space(self, agent: str) -> Any:
        return Box(-10.0, 10.0, (2, 2), np.float32)

    def action_space(self, agent: str) -> Any:
        return Box(-1.0, 2.0, (2,) if agent == "near" else (1, 3), np.float32)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.chance, self.time = np.random.default_rng(seed), 0
        self.agents = list(self.possible_agents)
        self.place = {name: np.zeros(2) for name in self.agents}
        self.goal = self.chance.normal(size=2)
        return self.seen(), {name: {} for name in self.agents}

    def seen(self) -> dict[str, Any]:
        shown = {name: np.stack([self.place[name], self.goal]) for name in self.agents}
        return {name: np.clip(x, -10.0, 10.0).astype(np.float32) for name, x in shown.items()}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        self.time, self.goal = self.time + 1, self.goal + 0.1 * self.chance.normal(size=2)
        for name, action in actions.items():
            self.place[name] = self.place[name] + 0.3 * np.ravel(action)[:2]
        rewards = {name: -float(np.abs(self.place[name] - self.goal).sum()) for name in self.agents}
        never, over = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, self.time >= 10)
        made: tuple[Any, ...] = self.seen(), rewards, never, over, {name: {} for name in self.agents}
        if self.time >= 10:
            self.agents = []
        return made
