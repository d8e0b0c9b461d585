"""Random play of what a user brought: it shows every space, mask and number once, and what a step costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from problems.apart import patience
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
    """[B, N]"""
    cost: float
    """Seconds of one copy's step, but for those that the machine was busy otherwise."""
    share: float
    """How much of the time the machine had for it."""

    @property
    def opposed(self) -> bool:
        """Whether what one agent gains others lose: every episode's sum is the same, and agents' shares are
        not."""
        spread = float(self.returns.std(0).max())
        return self.returns.shape[1] > 1 and float(self.returns.mean(1).std()) < 1e-6 * spread


def random_play(environment: Environment, entry: str, dearest: float, patient: float) -> Trial:
    """One episode in every copy.

    Args:
        dearest: seconds that a copy's step may cost, however short its episodes are.
        patient: seconds after which a step of all copies counts as one that never ends.

    Raises:
        BroughtError: an episode does not end, or a step is too dear.
    """
    agents, batch = environment.agents, environment.batch
    most = 2 * max(agent.actions for agent in agents)
    total, length = np.zeros((batch, len(agents))), np.zeros(batch)
    going, chance = np.ones(batch, bool), environment.uniform([1])
    environment.reset(going)
    started, spent, begun = _clocks(), 0.0, time.monotonic()
    for steps in range(1, LONGEST + 1):
        with patience(patient):
            environment.observe()  # as training does, so that a fault in an observation shows
            numbers = chance.random((len(agents), batch, most))
            made = environment.step([at_random(environment, i, numbers[i]) for i in range(len(agents))])
        spent = max(now - then for now, then in zip(_clocks(), started, strict=True))
        if steps >= 2 and spent > 2 * dearest * steps * batch:
            each = 1000 * spent / (steps * batch)
            raise BroughtError(
                f"{entry} takes {each:.3g} ms a step; more than {1000 * dearest:.2g} ms is too slow."
            )
        total += on_host(made.rewards) * going[:, None]
        length += going
        going = going & ~made.ended
        if not going.any():
            cost = max(spent / (steps * batch), 1e-6)
            share = min(1.0, spent / (time.monotonic() - begun))
            return Trial(len(agents), float(length.mean()), total, cost, share)
        if made.ended.any():
            environment.reset(made.ended)
    raise BroughtError(f"{entry}: an episode of random play is not over after {LONGEST} steps.")


def _clocks() -> tuple[float, float]:
    """CPU seconds; and seconds in which this thread ran or slept, but did not wait for a CPU. The latter are
    more where a simulator in another process, or a device, is waited for."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        waited = Path("/proc/thread-self/schedstat").read_text().split()[1]
        return time.process_time(), time.monotonic() - int(waited) / 1e9
    return time.process_time(), 0.0


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
