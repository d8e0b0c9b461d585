"""Any PettingZoo environment, parallel or by turns, as an :class:`Environment`: one object per copy."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from problems.brought import BroughtError
from problems.learning.envs.base import Agent, Chance, Environment, Plan, Step, at_random
from problems.learning.envs.vectorised import Vectorised
from problems.learning.faults import RAISED, blamed
from problems.learning.faults import told as told_of
from problems.learning.spaces import Space, kinds, mark


def brought_plan(told: Mapping[str, Any], device: str) -> Plan:
    """What ``bring`` packed, ready to be trained on."""
    install(told["files"])
    make = partial(Vectorised, told, device) if told.get("vectorised") else partial(Adapted, told)
    return Plan(make=make, **{"measure": "return", "script": at_random, **told["plan"]})


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
    except RAISED as error:
        raise BroughtError(
            f"{told['entry']} cannot be made where its source was carried to: {told_of(error)}. Only modules "
            "travel with a session; what it reads from files must be in them."
        ) from None


def install(files: Mapping[str, str]) -> None:
    """Make modules importable from their source texts (path -> text), where no files are."""
    if files and not any(isinstance(f, _Sources) and f.files == files for f in sys.meta_path):
        sys.meta_path.insert(0, _Sources(files))


@contextlib.contextmanager
def carried(files: Mapping[str, str]) -> Iterator[None]:
    """Modules as the sandbox will find them: made of their source texts anew, whatever was imported."""
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    imported = {name: sys.modules.pop(name) for name in names & set(sys.modules)}
    before = list(sys.meta_path)
    install(files)
    try:
        yield
    finally:
        sys.meta_path[:] = before
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(imported)


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
        self.entry = told["entry"]
        self.copies = [construct(told) for _ in range(batch)]
        if len({id(copy) for copy in self.copies}) < batch:
            raise BroughtError(f"{self.entry} gives one environment again and again; it must make a new one.")
        self.turns = not hasattr(self.copies[0], "possible_agents") or hasattr(
            self.copies[0], "agent_selection"
        )
        if hasattr(self.copies[0], "agent_iter"):
            self.turns = True
        first = self.copies[0]
        if not getattr(first, "possible_agents", None):
            raise BroughtError(f"{self.entry} has no agents; name them in its attribute possible_agents.")
        self.names: list[str] = list(first.possible_agents)
        self.spaces = [Space(first, name) for name in self.names]
        alike = kinds(self.names, [space.kind for space in self.spaces])
        order = list(dict.fromkeys(alike))
        self.marks = [mark(alike, i) for i in range(len(alike))]
        self.agents = tuple(
            Agent(name, space.size + len(one), space.actions, space.continuous, order.index(kind), team)
            for team, (name, space, one, kind) in enumerate(
                zip(self.names, self.spaces, self.marks, alike, strict=True)
            )
        )
        self.seen: list[dict[str, Any]] = [{} for _ in range(batch)]
        self.infos: list[dict[str, Any]] = [{} for _ in range(batch)]

    @blamed
    def reset(self, where: np.ndarray) -> None:
        seeds = self.chance.integers(2**31 - 1, size=self.batch)
        for b in map(int, np.flatnonzero(where)):
            made = self.copies[b].reset(seed=int(seeds[b]))
            if self.turns:
                self._pass_over_the_dead(b)
            else:
                self.seen[b], self.infos[b] = made

    @blamed
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

    @blamed
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

    @blamed
    def step(self, actions: Sequence[np.ndarray]) -> Step:
        rewards = np.zeros((self.batch, len(self.names)))
        dead, ended = np.zeros(rewards.shape, bool), np.zeros(self.batch, bool)
        for b, copy in enumerate(self.copies):
            given = self._turn(b, actions) if self.turns else self._together(b, actions)
            rewards[b] = [self._reward(name, given.get(name, 0.0)) for name in self.names]
            dead[b] = [name not in copy.agents for name in self.names]
            ended[b] = not copy.agents
        if not np.isfinite(rewards).all():
            raise BroughtError(f"A reward of {self.entry} is not finite.")
        return Step(rewards, ended, dead)

    def _reward(self, name: str, given: Any) -> float:
        try:
            return float(given)
        except (TypeError, ValueError):
            raise BroughtError(
                f"The reward of {name} is {given!r:.80}; {self.entry} must give a number."
            ) from None

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
        while copy.agents:
            chosen = copy.agent_selection
            if chosen not in copy.agents:
                there = ", ".join(map(repr, copy.agents))
                raise BroughtError(
                    f"In {self.entry}, `agent_selection` is {chosen!r}, who is not among `agents` ({there})."
                )
            if not (copy.terminations[chosen] or copy.truncations[chosen]):
                return
            copy.step(None)
