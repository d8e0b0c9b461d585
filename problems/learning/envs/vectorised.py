"""A VMAS scenario as an :class:`Environment`: all copies are one batch of tensors on a device (Bettini et al.
2022)."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch

from problems.brought import BroughtError
from problems.learning.envs.base import Agent, Chance, Environment, Step
from problems.learning.faults import blamed
from problems.learning.returns import LONGEST
from problems.learning.spaces import MOST_ACTIONS, kinds, mark

PACKAGE = "vmas"
COPIES, STEPS = 32, 100
"""Copies per seed and steps after which an episode is cut, where the arguments do not say."""
FIXED = frozenset(
    {"device", "seed", "dict_spaces", "multidiscrete_actions", "terminated_truncated", "wrapper"}
)
"""Arguments of ``vmas.make_env`` that are not the user's to choose."""


class Vectorised(Environment):
    """Copies of a scenario. A copy that is done, or has taken ``max_steps``, begins anew.

    Args:
        told: ``entry`` ``vmas:SCENARIO``, or ``module:CLASS`` of a scenario of the user's own; ``arguments``
            of ``vmas.make_env`` (``max_steps``, ``continuous_actions``, ...) and of the scenario.
        device: where everything is computed.
    """

    centralised = open = on_device = True

    def __init__(self, told: Mapping[str, Any], device: str, batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        self.entry, self.device = told["entry"], torch.device(device)
        self.world = _made(told, batch, device, self._seed())
        spaces = [self.world.get_agent_action_space(agent) for agent in self.world.agents]
        self.seen: list[torch.Tensor] = self._flat(self.world.reset())
        names = [agent.name for agent in self.world.agents]
        sizes = [x.shape[1] for x in self.seen]
        alike = kinds(names, [f" {size} {space}" for size, space in zip(sizes, spaces, strict=True)])
        order = list(dict.fromkeys(alike))
        marks = [mark(alike, i) for i in range(len(alike))]
        self.marks = [torch.as_tensor(one, device=self.device).expand(batch, -1) for one in marks]
        self.agents = tuple(
            replace(_agent(name, size + len(one), space, order.index(kind)), team=team)
            for team, (name, size, one, space, kind) in enumerate(
                zip(names, sizes, marks, spaces, alike, strict=True)
            )
        )
        self.bounds = [self._bounds(space) for space in spaces]
        self.together = self._try_together()

    def _seed(self) -> int:
        return int(self.chance.integers(2**31 - 1))

    def _bounds(self, space: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
        if not hasattr(space, "low"):
            return None
        low, high = (torch.as_tensor(bound, device=self.device) for bound in (space.low, space.high))
        return low, high

    def _flat(self, seen: Sequence[Any]) -> list[torch.Tensor]:
        """Per agent [B, observation]; a scenario may show a dictionary of tensors."""
        parts = [list(x.values()) if isinstance(x, dict) else [x] for x in seen]
        return [torch.cat([p.reshape(self.batch, -1).float() for p in some], 1) for some in parts]

    @blamed
    def reset(self, where: np.ndarray) -> None:
        seed = self._seed()
        if where.all():
            self.seen = self._flat(self.world.reset(seed=seed))
            return
        self.world.seed(seed)
        if self.together:
            self._reset_together(where)
        else:
            for b in map(int, np.flatnonzero(where)):
                self.world.reset_at(b, return_observations=False)
        self.seen = self._shown()

    def _reset_together(self, where: np.ndarray) -> None:
        """All copies begin anew, then those not in ``where`` [B] are given back what they had. To reset one
        takes VMAS as long as to reset all; one after another, that would be most of a run's time on a GPU."""
        had = {path: tensor.clone() for path, (_, _, tensor) in of_copies(self.world, self.batch).items()}
        self.world.reset(return_observations=False)
        ended = torch.from_numpy(where).to(self.device)
        for path, (holder, key, tensor) in of_copies(self.world, self.batch).items():
            old = had.get(path)
            if old is not None and (old.shape, old.dtype) == (tensor.shape, tensor.dtype):
                holder[key] = torch.where(ended.view(-1, *[1] * (old.dim() - 1)), tensor, old)

    def _shown(self) -> list[torch.Tensor]:
        parts = self.world.get_from_scenario(
            get_observations=True, get_rewards=False, get_infos=False, get_dones=False
        )
        return self._flat(parts[0])

    def _try_together(self) -> bool:
        """Whether copies that go on show what they showed before others began anew, all of them at once."""
        before, ended = self.seen, np.arange(self.batch) % 2 == 0
        try:
            self._reset_together(ended)
            self.seen = self._shown()
        except Exception:  # a scenario may keep what it likes where it likes
            self.seen = self._flat(self.world.reset())
            return False
        return all(torch.equal(x[~ended], y[~ended]) for x, y in zip(before, self.seen, strict=True))

    def observe(self) -> list[torch.Tensor]:
        return [torch.cat([x, one], 1) for x, one in zip(self.seen, self.marks, strict=True)]

    @blamed
    def step(self, actions: Sequence[torch.Tensor]) -> Step:
        given = [self._action(i, action) for i, action in enumerate(actions)]
        seen, paid, done, _ = self.world.step(given)
        self.seen = self._flat(seen)
        rewards = torch.stack([one.reshape(self.batch) for one in paid], 1).float()
        self._check(rewards)
        ended = done.cpu().numpy().astype(bool)
        return Step(rewards, ended, np.repeat(ended[:, None], len(self.agents), 1))

    def _action(self, i: int, action: torch.Tensor) -> torch.Tensor:
        bounds = self.bounds[i]
        if bounds is None:
            return action[:, None].float()
        low, high = bounds
        return low + (action.clamp(-1.0, 1.0) + 1.0) / 2.0 * (high - low)

    def _check(self, rewards: torch.Tensor) -> None:
        for what, table in (("A reward", rewards), *(("An observation", x) for x in self.seen)):
            if not torch.isfinite(table).all():
                raise BroughtError(f"{what} of {self.entry} is not finite.")

    def uniform(self, seed: Sequence[int]) -> Uniform:
        return Uniform(seed, self.device)


Holder = dict[Any, Any] | list[Any]


def of_copies(root: object, batch: int) -> dict[tuple[object, ...], tuple[Holder, Any, torch.Tensor]]:
    """Tensors [batch, ...] anywhere in ``root``: how each is reached, and in which dictionary or list."""
    found: dict[tuple[object, ...], tuple[Holder, Any, torch.Tensor]] = {}
    known: set[int] = set()
    ahead: list[tuple[tuple[object, ...], object]] = [((), root)]
    while ahead:
        path, one = ahead.pop()
        holder = one if isinstance(one, (dict, list)) else getattr(one, "__dict__", None)
        if isinstance(one, (type, ModuleType)) or holder is None or id(holder) in known:
            continue
        known.add(id(holder))
        for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if not isinstance(value, torch.Tensor):
                ahead.append(((*path, key), value))
            elif value.dim() and len(value) == batch:
                found[*path, key] = (holder, key, value)
    return found


class Uniform:
    """What NumPy's generator does for other environments, on the device."""

    def __init__(self, seed: Sequence[int], device: torch.device) -> None:
        number = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
        self.generator, self.device = torch.Generator(device).manual_seed(number), device

    def random(self, shape: Sequence[int]) -> torch.Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(tuple(shape), generator=self.generator, device=self.device)


def is_scenario(told: Mapping[str, Any]) -> bool:
    """Whether an entry, whose module has been imported, is a scenario of VMAS or derives from its
    ``BaseScenario``."""
    module, _, name = told["entry"].partition(":")
    if module == PACKAGE or PACKAGE not in sys.modules:
        return module == PACKAGE
    found = getattr(importlib.import_module(module), name, None)
    base = importlib.import_module(f"{PACKAGE}.simulator.scenario").BaseScenario
    return isinstance(found, type) and issubclass(found, base)


def copies(told: Mapping[str, Any]) -> int:
    """Copies of the scenario per seed. Raises BroughtError where they, or ``max_steps``, are not possible."""
    given = {"num_envs": COPIES, "max_steps": STEPS, **told["arguments"]}
    for name, most in (("num_envs", 10_000), ("max_steps", LONGEST)):
        if not isinstance(given[name], int) or not 1 <= given[name] <= most:
            raise BroughtError(
                f"{name} of {told['entry']} is {given[name]!r}; it must be a whole number from 1 to {most}."
            )
    return int(given["num_envs"])


def _made(told: Mapping[str, Any], batch: int, device: str, seed: int) -> Any:
    """vmas.simulator.environment.Environment. Raises BroughtError where there is no such scenario."""
    try:
        vmas = importlib.import_module(PACKAGE)
    except ModuleNotFoundError as error:
        raise BroughtError(
            f"{told['entry']} needs the package {error.name}, which is not there. Install VMAS with "
            "pip install 'equilibrist[vmas]'; the Docker image has none, so choose --sandbox bubblewrap or "
            "landlock, where an environment runs with the packages of this Python."
        ) from None
    module, _, name = told["entry"].partition(":")
    known = [*vmas.scenarios, *vmas.mpe_scenarios, *vmas.debug_scenarios]
    if module == PACKAGE and name not in known:
        raise BroughtError(f"VMAS has no scenario {name!r}; it has {', '.join(sorted(known))}.")
    if fixed := sorted(FIXED & set(told["arguments"])):
        raise BroughtError(f"{fixed[0]} of {told['entry']} is not free; leave it out.")
    scenario = name if module == PACKAGE else getattr(importlib.import_module(module), name)()
    arguments = {"max_steps": STEPS, **told["arguments"], "num_envs": batch}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Scenario kwargs")  # an argument that nothing reads
        return vmas.make_env(scenario, device=device, seed=seed, **arguments)


def _agent(name: str, size: int, space: Any, role: int) -> Agent:
    continuous = hasattr(space, "low")
    actions = int(np.prod(space.shape)) if continuous else int(getattr(space, "n", MOST_ACTIONS + 1))
    if not continuous and actions > MOST_ACTIONS:
        raise BroughtError(
            f"The actions of {name} are {space}; at most {MOST_ACTIONS} discrete ones can be learnt."
        )
    return Agent(name, size, actions, continuous, role)
