"""The networks of all agents under all seeds, their optimiser, and play with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from problems.learning.envs.base import Agent, Array, Environment
from problems.learning.networks import Network

ILLEGAL = -1e4
SPREAD = (-3.0, 0.5)
"""Bounds of the logarithm of a Gaussian policy's standard deviation."""


class Adam:
    """Adam (Kingma and Ba 2015), plainly: torch.optim takes seconds to import, in every job's process."""

    BETAS, TINY = (0.9, 0.999), 1e-5

    def __init__(self, parameters: Sequence[torch.Tensor], rate: float) -> None:
        self.parameters, self.rate, self.count = parameters, rate, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Take a step along the gradients, and drop them; what has none stays."""
        self.count += 1
        first, second = self.BETAS
        scale = (1 - second**self.count) ** 0.5
        for p, (mean, square) in zip(self.parameters, self.moments, strict=True):
            if p.grad is not None:
                mean.lerp_(p.grad, 1 - first)
                square.mul_(second).addcmul_(p.grad, p.grad, value=1 - second)
                size = square.sqrt().div_(scale).add_(self.TINY)
                p.addcdiv_(mean, size, value=-self.rate / (1 - first**self.count))
                p.grad = None


class Team:
    """One actor and one critic per role, and one central critic, for every seed.

    Args:
        seeds: each has networks of its own, and nothing that happens under one touches another.
        rate: Adam's step size (Kingma and Ba 2015).
    """

    def __init__(
        self, agents: Sequence[Agent], seeds: Sequence[int], rate: float, device: str, central: bool
    ) -> None:
        self.agents, self.seeds, self.device = agents, len(seeds), torch.device(device)
        self.roles: dict[int, list[int]] = {}
        for i, agent in enumerate(agents):
            self.roles.setdefault(agent.role, []).append(i)
        self.actors, self.critics = {}, {}
        for role, members in self.roles.items():
            agent = agents[members[0]]
            shift = [1000 * seed + 10 * role for seed in seeds]
            free = agent.actions if agent.continuous else 0
            self.actors[role] = Network(
                shift, agent.observation, agent.actions, 0.01, self.device, extra=free
            )
            self.critics[role] = Network([s + 1 for s in shift], agent.observation, 1, 1.0, self.device)
        self.central = None
        if central:
            seen = sum(agent.observation for agent in agents)
            shift = [1000 * seed + 999 for seed in seeds]
            self.central = Network(shift, seen, len(agents), 1.0, self.device)
        self.networks = [*self.actors.values(), *self.critics.values(), *filter(None, [self.central])]
        self.optimiser = Adam([p for network in self.networks for p in network.parameters], rate)

    def logits(self, observations: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Per agent [S, M, observation] -> [S, M, parameters of its policy]."""
        return self._by_role(self.actors, observations)

    def values(self, observations: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Per agent [S, M, observation] -> [S, M]."""
        return [x[..., 0] for x in self._by_role(self.critics, observations)]

    def central_values(self, observations: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The same by the central critic, [S, M] per agent."""
        assert self.central is not None
        return list(self.central(torch.cat(list(observations), -1)).unbind(-1))

    def _by_role(
        self, networks: dict[int, Network], observations: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        out: list[torch.Tensor] = [observations[0]] * len(self.agents)
        for role, members in self.roles.items():
            joined = torch.cat([observations[i] for i in members], 1) if len(members) > 1 else None
            made = networks[role](observations[members[0]] if joined is None else joined)
            for i, part in zip(members, made.chunk(len(members), 1), strict=True):
                out[i] = part
        return out

    def step(self) -> None:
        """Take a step along the gradients that have been gathered."""
        for network in self.networks:
            network.clip()
        self.optimiser.step()

    def act(self, environment: Environment, numbers: Array) -> tuple[list[Array], list[Array]]:
        """Actions drawn from the policies, and the observations they were drawn on.

        Args:
            environment: of S * B copies, seed by seed.
            numbers: [N, S * B, K] uniform in (0, 1); K no smaller than any number of actions.
        """
        seen = environment.observe()
        with torch.no_grad():
            logits = self.logits([self.tensor(x) for x in seen])
        flat = [x.reshape(environment.batch, -1) for x in logits]
        if environment.on_device:
            return [draw_there(*three) for three in zip(self.agents, flat, numbers, strict=True)], seen
        legal = environment.legal()
        actions = []
        for i, agent in enumerate(self.agents):
            actions.append(draw(agent, flat[i].cpu().numpy(), legal[i], numbers[i]))
        return actions, seen

    def policies(self, player: int, observation: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """[S, K, A] probabilities at observations [K, O] that are the same for all seeds."""
        seen = torch.as_tensor(observation, dtype=torch.float32, device=self.device)
        with torch.no_grad():
            logits = self.actors[self.agents[player].role](seen.expand(self.seeds, *seen.shape))
        masked = torch.where(torch.as_tensor(legal, device=self.device), logits, ILLEGAL)
        return torch.softmax(masked.double(), -1).cpu().numpy()

    def tensor(self, x: Array) -> torch.Tensor:
        """[S * B, ...] -> [S, B, ...] on the device."""
        held = np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x
        made = torch.as_tensor(held, dtype=torch.float32, device=self.device)
        return made.reshape(self.seeds, -1, *made.shape[1:])


def draw(agent: Agent, parameters: np.ndarray, legal: np.ndarray | None, numbers: np.ndarray) -> np.ndarray:
    """Actions by uniform numbers [M, K]: the Gumbel trick, or the Box-Muller transform."""
    if agent.continuous:
        mean, log_std = np.split(parameters, 2, axis=1)
        half = numbers.shape[1] // 2
        angle = 2.0 * np.pi * numbers[:, half : half + agent.actions]
        normal = np.sqrt(-2.0 * np.log(numbers[:, : agent.actions])) * np.cos(angle)
        return mean + np.exp(np.clip(log_std, *SPREAD)) * normal
    scores = parameters - np.log(-np.log(numbers[:, : agent.actions]))
    return (scores if legal is None else np.where(legal, scores, -np.inf)).argmax(1)


def draw_there(agent: Agent, parameters: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The same on a device, where every action is legal."""
    if agent.continuous:
        mean, log_std = parameters.chunk(2, 1)
        half = numbers.shape[1] // 2
        angle = 2.0 * torch.pi * numbers[:, half : half + agent.actions]
        normal = torch.sqrt(-2.0 * torch.log(numbers[:, : agent.actions])) * torch.cos(angle)
        return mean + torch.exp(log_std.clamp(*SPREAD)) * normal
    return (parameters - torch.log(-torch.log(numbers[:, : agent.actions]))).argmax(1)
