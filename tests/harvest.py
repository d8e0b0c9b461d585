"""An environment as a user might write it: deaths, masks, differing action spaces; and faults on demand."""

from __future__ import annotations

import contextlib
import functools
import os
import time

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from pettingzoo import ParallelEnv


class Harvest(ParallelEnv):
    """Two reapers take from a field that grows back, a guard may help it; reapers tire and go home."""

    metadata = {"name": "harvest_v0"}

    def __init__(self, length: int = 12, fault: str = "") -> None:
        self.length, self.fault = length, fault
        self.possible_agents = [] if fault == "nobody" else ["reaper_0", "reaper_1", "guard"]
        self.agents: list[str] = []

    @functools.cache  # noqa: B019
    def observation_space(self, agent: str) -> Dict:
        mask = Box(0, 1, (2 if agent == "guard" else 3,), np.int8)
        return Dict({"observation": Box(-10, 10, (3,), np.float32), "action_mask": mask})

    @functools.cache  # noqa: B019
    def action_space(self, agent: str) -> Discrete:
        return Discrete(2 if agent == "guard" else 3)

    def _seen(self) -> dict:
        seen = {}
        for agent in self.agents:
            mask = np.ones(self.action_space(agent).n, np.int8)
            if agent != "guard" and self.energy[agent] < 2:
                mask[2] = 0
            if self.fault == "mask":
                mask[:] = 0
            state = [min(self.field, 99.0), self.energy.get(agent, 0), self.time % 100]
            if self.fault == "nan" and self.time > 1:
                state[0] = np.nan
            if self.fault == "range" and self.time > 1:
                state[0] = 700
            seen[agent] = {"observation": np.array(state, np.float32) / 10, "action_mask": mask}
        return seen

    def reset(self, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        self.agents = self.possible_agents[:]
        self.energy = {"reaper_0": 5, "reaper_1": 5}
        self.field, self.time = 6.0, 0
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict) -> tuple[dict, dict, dict, dict, dict]:
        if self.fault == "crash" and self.time == 2:
            raise RuntimeError("the field is on fire")
        while self.fault == "hang" and self.time == 2:
            pass
        while self.fault == "stubborn" and self.time == 2:
            with contextlib.suppress(BaseException):
                time.sleep(1.0)
        if self.fault == "left" and self.time == 2:
            os._exit(3)
        if self.fault == "slow":
            time.sleep(0.02)  # as who waits for a simulator, at no CPU time of its own
        rewards = dict.fromkeys(self.agents, 0.0)
        for agent, action in actions.items():
            if agent == "guard":
                self.field += 0.5 * action
                continue
            assert action < 2 or self.energy[agent] >= 2, "an action that is not legal"
            self.energy[agent] -= int(action)
            rewards[agent] = min(self.field, float(action))
            self.field -= rewards[agent]
        self.time += 1
        if self.fault == "moneyless" and self.time > 1:
            rewards["guard"] = None
        if self.fault == "unpaid":
            del rewards[self.agents[-1]]
        dead = {agent: self.energy.get(agent, 1) <= 0 for agent in self.agents}
        over = dict.fromkeys(self.agents, self.time >= self.length and self.fault != "endless")
        seen, infos = self._seen(), {agent: {} for agent in self.agents}
        self.agents = [agent for agent in self.agents if not dead[agent] and not over[agent]]
        return seen, rewards, dead, over, infos


def parallel_env(**arguments: object) -> Harvest:
    return Harvest(**arguments)  # type: ignore[arg-type]


ONE = Harvest()


def same() -> Harvest:
    return ONE


def strange() -> object:
    return object()
