"""Any PettingZoo environment, parallel or by turns, as an :class:`Environment`: one object per copy."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from problems.brought import BroughtError
from problems.learning.envs.base import Agent, Chance, Environment, Plan, Step

MOST_ACTIONS = 256


def brought_plan(told: Mapping[str, Any]) -> Plan:
    """What ``bring`` packed, ready to be trained on."""
    install(told["files"])
    return Plan(make=partial(Adapted, told), measure="return", **told["plan"])


def construct(told: Mapping[str, Any]) -> Any:
    """The user's environment. Raises BroughtError when it cannot be imported or made."""
    module, _, function = told["entry"].partition(":")
    try:
        return getattr(importlib.import_module(module), function)(**told["arguments"])
    except ModuleNotFoundError as error:
        raise BroughtError(
            f"{told['entry']} needs the package {error.name}, which is not there. In Docker an environment "
            "has the packages of the image alone (numpy, scipy, torch, gymnasium, pettingzoo); choose "
            "--sandbox bubblewrap or landlock, where it runs with the packages of this Python."
        ) from None


def install(files: Mapping[str, str]) -> None:
    """Make modules importable from their source texts (path -> text), where no files are."""
    if files and not any(isinstance(f, _Sources) and f.files == files for f in sys.meta_path):
        sys.meta_path.insert(0, _Sources(files))


class _Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if not any(file.startswith(f"{self._path(name)}/") for file in self.files):
            if f"{self._path(name)}.py" not in self.files:
                return None
        return importlib.machinery.ModuleSpec(name, self, is_package=self.is_package(name))

    def is_package(self, name: str) -> bool:
        return f"{self._path(name)}.py" not in self.files

    def get_source(self, name: str) -> str:
        path = self._path(name)
        return self.files.get(f"{path}.py", self.files.get(f"{path}/__init__.py", ""))

    def create_module(self, spec: Any) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        exec(compile(self.get_source(name), f"{self._path(name)}.py", "exec"), module.__dict__)

    @staticmethod
    def _path(name: str) -> str:
        return name.replace(".", "/")


class Adapted(Environment):
    """Copies of a PettingZoo environment.

    A parallel one goes on with everybody; in one by turns (AEC) whoever is selected acts and the others wait.
    Agents that left are dead until the next episode. Truncation ends an episode like termination.
    Agents whose names differ in a number alone, and whose spaces are equal, share a network and see who
    they are.
    """

    centralised = open = True

    def __init__(self, told: Mapping[str, Any], batch: int, chance: Chance) -> None:
        super().__init__(batch, chance)
        self.copies = [construct(told) for _ in range(batch)]
        self.turns = not hasattr(self.copies[0], "possible_agents") or hasattr(
            self.copies[0], "agent_selection"
        )
        if hasattr(self.copies[0], "agent_iter"):
            self.turns = True
        first = self.copies[0]
        self.names: list[str] = list(first.possible_agents)
        self.spaces = [Space(first, name) for name in self.names]
        kinds = [
            f"{name.rstrip('0123456789')}{space.kind}"
            for name, space in zip(self.names, self.spaces, strict=True)
        ]
        order = list(dict.fromkeys(kinds))
        self.marks = [_mark(kinds, i) for i in range(len(kinds))]
        self.agents = tuple(
            Agent(name, space.size + len(mark), space.actions, space.continuous, order.index(kind))
            for name, space, mark, kind in zip(self.names, self.spaces, self.marks, kinds, strict=True)
        )
        self.seen: list[dict[str, Any]] = [{} for _ in range(batch)]
        self.infos: list[dict[str, Any]] = [{} for _ in range(batch)]

    def reset(self, where: np.ndarray) -> None:
        seeds = self.chance.integers(2**31 - 1, size=self.batch)
        for b in map(int, np.flatnonzero(where)):
            made = self.copies[b].reset(seed=int(seeds[b]))
            if self.turns:
                self._pass_over_the_dead(b)
            else:
                self.seen[b], self.infos[b] = made

    def observe(self) -> list[np.ndarray]:
        out = []
        for i, (name, space) in enumerate(zip(self.names, self.spaces, strict=True)):
            table = np.zeros((self.batch, self.agents[i].observation), np.float32)
            for b, copy in enumerate(self.copies):
                if name in copy.agents:
                    seen = copy.observe(name) if self.turns else self.seen[b][name]
                    table[b, : space.size] = space.flat(seen, name)
            table[:, space.size :] = self.marks[i]
            out.append(table)
        return out

    def acting(self) -> np.ndarray:
        if self.turns:
            chosen = [copy.agent_selection if copy.agents else None for copy in self.copies]
            return np.array([[name == one for name in self.names] for one in chosen])
        return np.array([[name in copy.agents for name in self.names] for copy in self.copies])

    def legal(self) -> list[np.ndarray | None]:
        acting = self.acting()
        out: list[np.ndarray | None] = []
        for i, (name, space) in enumerate(zip(self.names, self.spaces, strict=True)):
            if space.continuous:
                out.append(None)
                continue
            table = np.zeros((self.batch, space.actions), bool)
            table[:, 0] = True
            for b in map(int, np.flatnonzero(acting[:, i])):
                table[b] = space.mask(*self._last(b, name), name)
            out.append(table)
        return out

    def _last(self, b: int, name: str) -> tuple[Any, Any]:
        """What an agent was shown last, and its info."""
        if self.turns:
            return self.copies[b].observe(name), self.copies[b].infos.get(name, {})
        return self.seen[b][name], self.infos[b].get(name, {})

    def step(self, actions: Sequence[np.ndarray]) -> Step:
        rewards = np.zeros((self.batch, len(self.names)))
        dead, ended = np.zeros(rewards.shape, bool), np.zeros(self.batch, bool)
        for b, copy in enumerate(self.copies):
            given = self._turn(b, actions) if self.turns else self._together(b, actions)
            rewards[b] = [float(given.get(name, 0.0)) for name in self.names]
            dead[b] = [name not in copy.agents for name in self.names]
            ended[b] = not copy.agents
        if not np.isfinite(rewards).all():
            raise BroughtError("A reward is not finite.")
        return Step(rewards, ended, dead)

    def _together(self, b: int, actions: Sequence[np.ndarray]) -> Mapping[str, float]:
        copy = self.copies[b]
        chosen = {
            name: self.spaces[i].action(actions[i][b])
            for i, name in enumerate(self.names)
            if name in copy.agents
        }
        self.seen[b], rewards, _, _, self.infos[b] = copy.step(chosen)
        return dict(rewards)

    def _turn(self, b: int, actions: Sequence[np.ndarray]) -> Mapping[str, float]:
        copy = self.copies[b]
        i = self.names.index(copy.agent_selection)
        copy.step(self.spaces[i].action(actions[i][b]))
        rewards = dict(copy.rewards)
        self._pass_over_the_dead(b)
        return rewards

    def _pass_over_the_dead(self, b: int) -> None:
        copy = self.copies[b]
        while copy.agents and (
            copy.terminations[copy.agent_selection] or copy.truncations[copy.agent_selection]
        ):
            copy.step(None)


def _mark(kinds: Sequence[str], i: int) -> np.ndarray:
    """Which of the agents of its kind agent i is."""
    alike = [j for j, kind in enumerate(kinds) if kind == kinds[i]]
    return np.eye(len(alike), dtype=np.float32)[alike.index(i)] if len(alike) > 1 else np.zeros(0, np.float32)


class Space:
    """How one agent's observations become vectors, and numbers become its actions. Raises BroughtError."""

    def __init__(self, environment: Any, name: str) -> None:
        from gymnasium import spaces
        from gymnasium.spaces.utils import flatdim

        observation, action = environment.observation_space(name), environment.action_space(name)
        self.masked = isinstance(observation, spaces.Dict) and "action_mask" in observation.spaces
        self.shown = observation["observation"] if self.masked else observation
        try:
            self.size = int(flatdim(self.shown))
        except (NotImplementedError, ValueError) as error:
            raise BroughtError(
                f"The observations of {name} have no fixed length ({self.shown}): {error}"
            ) from None
        self.space = action
        self.continuous = isinstance(action, spaces.Box)
        if self.continuous:
            if not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
                raise BroughtError(
                    f"The actions of {name} have no bounds ({action}); give its Box finite ones."
                )
            self.actions = int(np.prod(action.shape))
        elif isinstance(action, spaces.Discrete):
            self.actions = int(action.n)
        elif isinstance(action, spaces.MultiDiscrete) and np.prod(action.nvec) <= MOST_ACTIONS:
            self.actions = int(np.prod(action.nvec))
        else:
            raise BroughtError(
                f"The actions of {name} are {action}; Discrete, bounded Box, and MultiDiscrete of at most "
                f"{MOST_ACTIONS} combinations can be learnt."
            )
        self.kind = f" {self.size} {action}"

    def flat(self, seen: Any, name: str) -> np.ndarray:
        from gymnasium.spaces.utils import flatten

        shown = seen["observation"] if self.masked else seen
        made = np.asarray(flatten(self.shown, shown), np.float32)
        if made.shape != (self.size,):
            raise BroughtError(f"An observation of {name} has {made.size} numbers, its space {self.size}.")
        if not np.isfinite(made).all():
            raise BroughtError(f"An observation of {name} is not finite.")
        return made

    def confine(self, seen: Any, name: str) -> None:
        """Raises BroughtError where numbers lie outside the bounds that the space names."""
        from gymnasium.spaces import Box

        shown = seen["observation"] if self.masked else seen
        if isinstance(self.shown, Box) and np.shape(shown) == self.shown.shape:
            outside = (np.asarray(shown) < self.shown.low) | (np.asarray(shown) > self.shown.high)
            if outside.any():
                where = tuple(int(i) for i in np.argwhere(outside)[0])
                raise BroughtError(
                    f"An observation of {name} is {np.asarray(shown)[where]:g} at {list(where)}, outside its "
                    f"space, which goes from {self.shown.low[where]:g} to {self.shown.high[where]:g} there."
                )

    def mask(self, seen: Any, info: Any, name: str) -> np.ndarray:
        """Legal actions [A]. Raises BroughtError where none is."""
        given = seen["action_mask"] if self.masked else (info or {}).get("action_mask")
        legal = np.ones(self.actions, bool) if given is None else np.asarray(given).ravel().astype(bool)
        if legal.shape != (self.actions,):
            raise BroughtError(
                f"An action mask of {name} has {legal.size} entries for {self.actions} actions."
            )
        if not legal.any():
            raise BroughtError(f"An action mask leaves {name} without any action when it is to act.")
        return legal

    def action(self, number: Any) -> Any:
        if self.continuous:
            low, high = self.space.low, self.space.high
            scaled = low + (np.clip(number, -1.0, 1.0).reshape(low.shape) + 1.0) / 2.0 * (high - low)
            return scaled.astype(self.space.dtype)
        if hasattr(self.space, "nvec"):
            return np.array(np.unravel_index(int(number), self.space.nvec.ravel()), self.space.dtype).reshape(
                self.space.nvec.shape
            )
        return int(number) + int(self.space.start)
