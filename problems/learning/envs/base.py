"""What an environment is here: many copies that step together, in NumPy. Chance comes from one generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Chance = np.random.Generator
Array = Any
"""numpy.ndarray, or a torch.Tensor where an environment computes on a device (``Environment.on_device``)."""


def on_host(x: Array) -> np.ndarray:
    """The numbers where NumPy finds them."""
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


@dataclass(frozen=True)
class Agent:
    """One agent of an environment."""

    name: str
    observation: int
    """Length of its observation."""
    actions: int
    """How many actions it has; with ``continuous`` the length of its action, each entry in [-1, 1]."""
    continuous: bool = False
    role: int = 0
    """Agents of one role share a network; they must have equal spaces."""
    team: int = 0
    """Teams are judged apart where they play against scripts."""


@dataclass(frozen=True)
class Step:
    rewards: Array
    """[B, N]"""
    ended: np.ndarray
    """[B] whether the episode is over, for whatever reason."""
    dead: np.ndarray
    """[B, N] whether an agent is out of the episode, now or since before."""


class Environment:
    """B copies. Arrays are [B, ...]; an agent that is dead or does not move has one legal action, the first.

    Subclasses set ``agents`` and define the five methods.
    """

    agents: tuple[Agent, ...] = ()
    centralised = False
    """Whether a critic may see all observations during training."""
    open = False
    """Whether rules may see the other agents' actions, policies and rewards."""
    on_device = False
    """Whether observations, actions, rewards and uniform numbers are tensors on a device. Who is in play
    (``ended``, ``dead``, ``acting``, ``legal``) is NumPy's in any case."""
    STATE: tuple[str, ...] = ()
    """Attributes [B, ...] that are the whole state, where a tree is walked."""

    def __init__(self, batch: int, chance: Chance) -> None:
        self.batch, self.chance = batch, chance

    def reset(self, where: np.ndarray) -> None:
        """Begin a new episode in the copies ``where`` [B] is true. Draws for all copies alike."""
        raise NotImplementedError

    def observe(self) -> list[Array]:
        """Per agent [B, observation], float32. What was handed out is not changed later."""
        raise NotImplementedError

    def legal(self) -> list[np.ndarray | None]:
        """Per agent [B, actions] of bool; None where every action is legal in every copy."""
        return [None] * len(self.agents)

    def acting(self) -> np.ndarray:
        """[B, N] whether an agent has a choice now."""
        return np.ones((self.batch, len(self.agents)), bool)

    def step(self, actions: Sequence[Array]) -> Step:
        """Per agent [B] of int, or [B, actions] of float."""
        raise NotImplementedError

    def uniform(self, seed: Sequence[int]) -> Any:
        """A generator whose ``random(shape)`` gives what actions are drawn by, uniform in [0, 1)."""
        return np.random.default_rng(seed)


Policy = Callable[[Environment, int, Array], Array]
"""(environment, agent, uniform numbers [B, actions]) -> actions: what does not learn."""


@dataclass(frozen=True)
class Plan:
    """How an environment is trained on and judged."""

    make: Callable[[int, Chance], Environment]
    iterations: int
    steps: int
    """T of a batch."""
    copies: int
    """B of a batch, per seed."""
    low: float
    """What is worth 0: the return of random play (its exploitability, where that is the measure)."""
    high: float
    """What is worth 1."""
    measure: str = "return"
    """``return``: mean over agents of an episode's return. ``scripts``: mean over teams of the own return
    when all others follow ``script``. ``exploitability``: exact."""
    script: Policy | None = None
    episodes: int = 32
    """Per seed and judgement."""
    tree: bool = False
    """Whether exploitability is told as well."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the training: ``rate``, ``epochs``."""


def at_random(environment: Environment, agent: int, numbers: Array) -> Array:
    """Uniform over legal actions."""
    spec = environment.agents[agent]
    if spec.continuous:
        return 2.0 * numbers[:, : spec.actions] - 1.0
    legal = environment.legal()[agent]
    keys = numbers[:, : spec.actions] if legal is None else np.where(legal, numbers[:, : spec.actions], -1.0)
    return keys.argmax(1)
