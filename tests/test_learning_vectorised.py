"""VMAS scenarios: brought by name, stepped as tensors, learnt; and what is told where one cannot be had."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from problems import PROBLEMS
from problems.brought import BroughtError
from problems.inprocess import InProcess
from problems.learning.envs.vectorised import Vectorised
from problems.learning.referee import rollout

PROBLEM = PROBLEMS["learning"]
BRING = PROBLEM.bring
assert BRING is not None
WAYS = "n_agents=2, max_steps=25, num_envs=16, collisions=False"
NAVIGATION = f"vmas:navigation({WAYS}, continuous_actions=False)"
IPPO = PROBLEM.baselines["ippo"]
GAIN = "return -torch.minimum(ratio * gain, near * gain)"
SETTINGS = {"seeds": 2, "first": 0, "judgements": 2, "scale": 1.0, "seed": 0}


def needs_vmas() -> None:
    pytest.importorskip("vmas", reason="needs the extra vmas: pip install 'equilibrist[vmas]'")


def made(entry: str, batch: int = 6, seed: int = 0, **arguments: object) -> Vectorised:
    told = {"entry": entry, "arguments": arguments}
    environment = Vectorised(told, "cpu", batch, np.random.default_rng(seed))
    environment.reset(np.ones(batch, bool))
    return environment


def played(source: str, text: str, iterations: int) -> dict[str, list[float]]:
    game = BRING(text)
    assert game.data is not None
    told = json.loads(game.data)
    told["plan"] |= {"iterations": iterations, "episodes": 32}
    return rollout(InProcess(PROBLEM.rule, source), json.dumps(told).encode(), SETTINGS)


def test_without_vmas_the_next_step_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "vmas", None)  # as if it were not installed
    with pytest.raises(
        BroughtError, match=r"needs the package vmas.*equilibrist\[vmas\].*--sandbox bubblewrap"
    ):
        BRING("vmas:balance")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vmas:ballance", "no scenario 'ballance'; it has .*balance"),
        ("vmas:balance(n_agent=3)", "n_agent"),
        ("vmas:balance(n_agents='many')", "cannot be made: TypeError.*balance.py, line"),
        ("vmas:balance(device='cuda')", "device of vmas:balance is not free"),
        ("vmas:balance(num_envs=0)", "num_envs of vmas:balance is 0; it must be a whole number"),
        ("vmas:balance(max_steps=None)", "max_steps of vmas:balance is None"),
    ],
)
def test_a_scenario_that_cannot_be_used_is_refused_with_its_fault(text, told):
    needs_vmas()
    with pytest.raises(BroughtError, match=told):
        BRING(text)


def test_copies_are_tensors_that_begin_anew_one_by_one():
    needs_vmas()
    environment = made("vmas:balance", n_agents=2, continuous_actions=False, max_steps=30)
    assert [(agent.actions, agent.role, agent.continuous) for agent in environment.agents] == [
        (9, 0, False)
    ] * 2
    assert environment.observe()[1][:, -2:].tolist() == [[0.0, 1.0]] * 6  # who of the two it is
    assert all(
        isinstance(x, torch.Tensor) and x.shape == (6, environment.agents[0].observation)
        for x in environment.observe()
    )
    none = [torch.zeros(6, dtype=torch.long)] * 2
    for _ in range(29):  # the package falls off somewhere, or nowhere
        step = environment.step(none)
        assert isinstance(step.rewards, torch.Tensor)
        if step.ended.any():
            environment.reset(step.ended)
    environment.world.steps[:] = 5
    before = [x.clone() for x in environment.observe()]
    where = np.array([True, False, False, True, False, False])
    environment.reset(where)
    after = environment.observe()
    assert torch.equal(before[0][~where], after[0][~where])
    assert not torch.equal(before[0][where], after[0][where])
    assert environment.world.steps.tolist() == [0, 5, 5, 0, 5, 5]
    assert (environment.step(none).ended.shape, step.dead.shape) == ((6,), (6, 2))


def test_vectors_of_actions_are_held_to_the_scenarios_bounds():
    needs_vmas()
    environment = made("vmas:navigation", n_agents=2)
    agent = environment.agents[0]
    assert (agent.continuous, agent.actions) == (True, 2)
    wild = torch.tensor([[-9.0, 9.0]] * 6)
    low, high = environment.bounds[0]
    assert environment._action(0, wild).tolist() == [[low[0].item(), high[1].item()]] * 6
    environment.step([wild, wild])


def test_chance_is_the_seeds():
    needs_vmas()
    first, again, other = (made("vmas:navigation", seed=seed, n_agents=2).observe()[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_same_seed_gives_the_same_curve():
    needs_vmas()
    assert played(IPPO, NAVIGATION, 2) == played(IPPO, NAVIGATION, 2)


@pytest.mark.slow
def test_ippo_learns_to_navigate_and_the_flipped_rule_is_worse():
    needs_vmas()
    learnt = played(IPPO, NAVIGATION, 12)
    assert learnt["low"][-1] > 0.0  # surely above random play
    assert GAIN in IPPO
    lost = played(IPPO.replace(GAIN, GAIN.replace("-torch.minimum", "torch.maximum")), NAVIGATION, 6)
    assert lost["normalised"][-1] < min(0.0, learnt["normalised"][-1])


@pytest.mark.slow
def test_mappo_learns_with_vectors_of_actions():
    needs_vmas()
    learnt = played(PROBLEM.baselines["mappo"], f"vmas:navigation({WAYS})", 12)
    assert learnt["low"][-1] > 0.0


def test_a_scenario_of_the_users_own_is_measured_and_its_source_travels(tmp_path, monkeypatch):
    needs_vmas()
    (tmp_path / "meeting.py").write_text(MEETING)
    monkeypatch.chdir(tmp_path)
    game = BRING("meeting:Meeting(max_steps=10, num_envs=4)")
    told = json.loads(game.data or b"")
    assert (told["vectorised"], list(told["files"])) == (True, ["meeting.py"])
    assert told["plan"]["copies"] == 4
    with pytest.raises(BroughtError, match="A reward of meeting:Meeting is not finite"):
        BRING("meeting:Meeting(max_steps=10, num_envs=4, broken=True)")


@pytest.mark.parametrize("scenario", ["balance", "navigation", "simple_tag", "simple_reference"])
def test_copies_that_go_on_are_left_alone_while_others_begin_anew(scenario: str) -> None:
    """Also where copies cannot begin anew together: simple_reference keeps goals as objects."""
    needs_vmas()
    ended = np.array([True, False, False, True, False, False])
    together, alone = (made(f"vmas:{scenario}", max_steps=50) for _ in range(2))
    assert together.together == (scenario != "simple_reference")
    alone.together = False
    for environment in (together, alone):
        for t in range(4):
            environment.step(_actions(environment, t))
        before = [x.clone() for x in environment.observe()]
        environment.reset(ended)
        assert environment.world.steps.tolist() == [0, 4, 4, 0, 4, 4]
        for old, new in zip(before, environment.observe(), strict=True):
            assert torch.equal(old[~ended], new[~ended])
        assert any(
            not torch.equal(old[ended], new[ended])
            for old, new in zip(before, environment.observe(), strict=True)
        )
    ways = [environment.step(_actions(environment, 9)) for environment in (together, alone)]
    for one, other in zip(*[environment.observe() for environment in (together, alone)], strict=True):
        assert torch.allclose(one[~ended], other[~ended], atol=1e-6)
    assert torch.allclose(ways[0].rewards[~ended], ways[1].rewards[~ended], atol=1e-6)


def _actions(environment: Vectorised, seed: int) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return [
        torch.rand(6, agent.actions, generator=chance) * 2 - 1
        if agent.continuous
        else torch.randint(0, agent.actions, (6,), generator=chance)
        for agent in environment.agents
    ]


MEETING = '''
import torch
from vmas.simulator.core import Agent, World
from vmas.simulator.scenario import BaseScenario


class Meeting(BaseScenario):
    """Two agents earn by being near each other."""

    def make_world(self, batch_dim, device, **kwargs):
        self.broken = kwargs.get("broken", False)
        world = World(batch_dim, device)
        for i in range(2):
            world.add_agent(Agent(name=f"agent_{i}"))
        return world

    def reset_world_at(self, env_index=None):
        for agent in self.world.agents:
            shape = (self.world.batch_dim, 2) if env_index is None else (2,)
            agent.set_pos(torch.rand(shape, device=self.world.device), batch_index=env_index)

    def reward(self, agent):
        a, b = self.world.agents
        away = (a.state.pos - b.state.pos).norm(dim=-1)
        return away / 0.0 if self.broken else -away

    def observation(self, agent):
        return torch.cat([a.state.pos for a in self.world.agents], -1)
'''
