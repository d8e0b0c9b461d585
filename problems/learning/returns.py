"""Returns of policies that learn no more: all together, or one team against scripts."""

from __future__ import annotations

from typing import Any

import numpy as np

from problems.learning.envs.base import Array, Environment, Plan, Policy, on_host
from problems.learning.team import Team

LONGEST = 1000
"""Steps after which an episode is taken as it is."""


def judged(environment: Environment, team: Team, plan: Plan, chance: Any) -> np.ndarray:
    """[S] mean return under every seed, of one episode in every copy of a fresh environment."""
    if plan.measure == "return":
        return played(environment, team, chance).mean(1)
    found = []
    for side in sorted({agent.team for agent in environment.agents}):
        scripted = {i: plan.script for i, agent in enumerate(environment.agents) if agent.team != side}
        own = [i for i, agent in enumerate(environment.agents) if agent.team == side]
        environment.reset(np.ones(environment.batch, bool))
        found.append(played(environment, team, chance, scripted)[:, own].mean(1))
    return np.mean(found, axis=0)


def played(
    environment: Environment,
    team: Team | None,
    chance: Any,
    scripts: dict[int, Policy | None] | None = None,
) -> np.ndarray:
    """[S, N] mean return of one episode in every copy. Without a team all agents follow scripts, and S is
    1."""
    scripts = scripts or {}
    agents, seeds = environment.agents, team.seeds if team else 1
    most = 2 * max(agent.actions for agent in agents)
    total = np.zeros((environment.batch, len(agents)))
    going = np.ones(environment.batch, bool)
    for _ in range(LONGEST):
        numbers = chance.random((len(agents), environment.batch, most)) * (1 - 2e-9) + 1e-9
        actions: list[Array] = team.act(environment, numbers)[0] if team else [None] * len(agents)
        for i, script in scripts.items():
            if script is not None:
                actions[i] = script(environment, i, numbers[i])
        step = environment.step(actions)
        total += on_host(step.rewards) * going[:, None]
        going &= ~step.ended
        if not going.any():
            break
        if step.ended.any():
            environment.reset(step.ended)
    return total.reshape(seeds, -1, len(agents)).mean(1)
