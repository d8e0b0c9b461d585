"""Random play of what a user brought: it shows every space, mask and number once, and what a step costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from problems.brought import BroughtError
from problems.learning.adapter import Adapted
from problems.learning.envs.base import Environment, at_random, on_host
from problems.learning.faults import blamed
from problems.learning.returns import LONGEST


@dataclass(frozen=True)
class Trial:
    """What an episode of random play in every copy showed."""

    agents: int
    length: float
    """Mean over copies, in steps."""
    returns: np.ndarray
    """[B] mean over agents."""
    cost: float
    """CPU seconds of one copy's step."""


def random_play(environment: Environment, entry: str) -> Trial:
    """One episode in every copy. Raises BroughtError when it does not end."""
    agents, batch = environment.agents, environment.batch
    most = 2 * max(agent.actions for agent in agents)
    total, length = np.zeros((batch, len(agents))), np.zeros(batch)
    going, chance = np.ones(batch, bool), environment.uniform([1])
    environment.reset(going)
    started = time.process_time()
    for steps in range(1, LONGEST + 1):
        environment.observe()  # as training does, so that a fault in an observation shows
        numbers = chance.random((len(agents), batch, most))
        made = environment.step([at_random(environment, i, numbers[i]) for i in range(len(agents))])
        total += on_host(made.rewards) * going[:, None]
        length += going
        going = going & ~made.ended
        if not going.any():
            cost = (time.process_time() - started) / (steps * batch)
            return Trial(len(agents), float(length.mean()), total.mean(1), max(cost, 1e-6))
        if made.ended.any():
            environment.reset(made.ended)
    raise BroughtError(f"{entry}: an episode of random play is not over after {LONGEST} steps.")


class Checked(Adapted):
    """Held to what PettingZoo's API test lets pass."""

    @blamed
    def observe(self) -> list[np.ndarray]:
        for copy, seen in zip(self.copies, self.seen, strict=True):
            for name, space in zip(self.names, self.spaces, strict=True):
                if name in copy.agents:
                    space.confine(copy.observe(name) if self.turns else seen[name], name)
        return super().observe()

    def _together(self, b: int, actions: Any) -> Mapping[str, float]:
        before = list(self.copies[b].agents)
        rewards = super()._together(b, actions)
        if missing := [name for name in before if name not in rewards]:
            raise BroughtError(f"`step` gave no reward to {missing[0]}, which was alive before it.")
        return rewards
