"""The candidate half: gives a program each agent's batch, hands back gradients. Imports nothing of ours."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit

METHODS = ("advantages", "policy_loss", "value_loss")
ONCE = (
    "rewards",
    "dones",
    "acting",
    "old_values",
    "next_values",
    "old_central_values",
    "next_central_values",
)
"""[T, B] of an iteration's batch, the same in all of its epochs."""
LIVE = ("values", "central_values")
"""[T, B] outputs of the critics as they are now; a loss may be differentiated by them."""
POLICY = ("log_probability", "entropy", "divergence", "logits", "policy", "log_policy")
"""Made of the policy as it is now."""
OLD = ("old_log_probability", "old_policy", "old_log_policy", "legal", "actions")
OTHERS = ("others_rewards", "others_policy", "others_actions")
QUANTITIES = ("t", "epoch", "advantage", "returns", *ONCE, *LIVE, *POLICY, *OLD, *OTHERS)
"""What a method may ask for, by naming it as a parameter."""
CENTRAL = frozenset({"central_values", "old_central_values", "next_central_values"})
ILLEGAL = -1e4
"""Logit of an action that is not legal: its probability is exactly zero."""


class Invalid(ValueError):
    """What a method returned is no loss."""

    status = "invalid"
    """How the run ends (``CandidateError.status``)."""


class Batch:
    """One agent's batch: T steps of B environments side by side. A *step quantity* has shape [T, B]."""

    def __init__(self, steps: int, environments: int) -> None:
        self.steps = steps
        """T, in order of time; an episode ends where ``dones`` is 1, and the next begins a row later."""
        self.environments = environments
        """B"""

    def zeros(self) -> torch.Tensor:
        """[T, B]"""
        return torch.zeros(self.steps, self.environments)

    def ones(self) -> torch.Tensor:
        """[T, B]"""
        return torch.ones(self.steps, self.environments)

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """[T, B] -> number; like the three below."""
        return x.sum()

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean()

    def max(self, x: torch.Tensor) -> torch.Tensor:
        return x.max()

    def min(self, x: torch.Tensor) -> torch.Tensor:
        return x.min()

    def expand(self, y: torch.Tensor) -> torch.Tensor:
        """Number -> [T, B]."""
        return torch.as_tensor(y).expand(self.steps, self.environments)

    def accumulate(self, x: torch.Tensor, dones: torch.Tensor, decay: float) -> torch.Tensor:
        """[T, B]: y[t] = x[t] + decay * (1 - dones[t]) * y[t + 1], from the end of the batch backwards.

        No gradient flows through it.
        """
        out = x.detach().to(torch.float32).clone().contiguous()
        _backwards(out.numpy(), dones.to(torch.float32).contiguous().numpy(), float(decay))
        return out

    def standardise(self, x: torch.Tensor) -> torch.Tensor:
        """Shifted and scaled to mean 0 and standard deviation 1."""
        return (x - x.mean()) / (x.std() + 1e-8)

    def over_actions(self, x: torch.Tensor) -> torch.Tensor:
        """[T, B, A] -> [T, B]: sum over actions."""
        return x.sum(-1)


@njit("void(f4[:, ::1], f4[:, ::1], f8)")
def _backwards(x: Any, dones: Any, decay: float) -> None:
    for t in range(x.shape[0] - 2, -1, -1):
        for b in range(x.shape[1]):
            x[t, b] += decay * (1.0 - dones[t, b]) * x[t + 1, b]


def serve(
    program: dict[str, Any], setup: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[Callable[[], None]]:
    """One fresh ``Rule`` per agent and seed. Operation 0 begins an iteration, operation 1 is one epoch.

    Args:
        program: what executing the source left, with ``Rule`` in it.
        setup: ``seeds`` S, ``steps`` T, ``environments`` B, and per agent ``continuous``, whether its actions
            are vectors with a Gaussian policy, ``others``, the agents whose data it may see.
        arrays: per agent i, under ``i.NAME``: [S, T, B] and per action [S, T, B, A] what the batch holds, and
            ``d_logits``, ``d_values``, ``d_central_values``, where the gradients go; ``wants`` [1], set to
            one
            if the rule asks for a central critic.
    """
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(1)
    torch.set_grad_enabled(True)
    rule = program["Rule"]
    asked = {name: _parameters(rule, name) for name in METHODS}
    arrays["wants"][0] = float(any(CENTRAL & set(names) for names in asked.values()))
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    count = len(setup["agents"])
    learners = [
        _Learner(rule, asked, Batch(setup["steps"], setup["environments"]), _views(tensors, i, seed), agent)
        for i, agent in enumerate(setup["agents"])
        for seed in range(setup["seeds"])
    ]
    for k, learner in enumerate(learners):
        seed = k % setup["seeds"]
        learner.others = [learners[j * setup["seeds"] + seed] for j in learner.agent["others"] if j < count]

    def begin() -> None:
        for learner in learners:
            learner.begin()

    def learn() -> None:
        for learner in learners:
            learner.learn()

    return [begin, learn]


def _views(tensors: dict[str, torch.Tensor], agent: int, seed: int) -> dict[str, torch.Tensor]:
    mark = f"{agent}."
    return {name[len(mark) :]: t[seed] for name, t in tensors.items() if name.startswith(mark)}


class _Learner:
    """One agent under one seed: its rule and its part of the shared arrays."""

    def __init__(
        self,
        rule: Any,
        asked: dict[str, list[str]],
        batch: Batch,
        shared: dict[str, torch.Tensor],
        agent: dict[str, Any],
    ) -> None:
        self.batch, self.shared, self.agent = batch, shared, agent
        self.others: list[_Learner] = []
        self.t = self.epoch = 0
        self.rule = rule(batch)
        self.methods = {name: (getattr(self.rule, name), names) for name, names in asked.items()}
        self.wanted = {name for names in asked.values() for name in names}
        self.once: dict[str, Any] = {}

    def begin(self) -> None:
        """Take over an iteration's batch and have the rule credit it."""
        self.t, self.epoch = self.t + 1, 0
        shared = self.shared
        self.once = {name: shared[name].clone() for name in ONCE if name in shared}
        self.once["t"] = self.t
        self.once["actions"] = shared["actions"].clone()
        if not self.agent["continuous"]:
            self.once["legal"] = shared["legal"].clone()
        self.once["old_parameters"] = shared["logits"].clone()
        with torch.no_grad():
            old = self._policy(self.once["old_parameters"], {"log_probability", "log_policy", "policy"})
            self.once |= {f"old_{name}": value for name, value in old.items()}
            if self.wanted & set(OTHERS):
                self.once |= self._of_others()
            advantage = self._ask("advantages", {**self._now(), **self.once})
            if not isinstance(advantage, torch.Tensor) or advantage.shape != self.once["rewards"].shape:
                raise Invalid(f"advantages must return a tensor {list(self.once['rewards'].shape)}")
            self.once["advantage"] = advantage.detach()
            self.once["returns"] = self.once["advantage"] + self.once["old_values"]

    def _now(self) -> dict[str, Any]:
        """What is still as it was, before any learning from the batch; no advantage is known yet."""
        shape = self.once["rewards"].shape
        made: dict[str, Any] = self._policy(self.once["old_parameters"], self.wanted)
        made |= {name: self.once[f"old_{name}"] for name in LIVE}
        return made | {"epoch": 1, "advantage": torch.zeros(shape), "returns": self.once["old_values"]}

    def learn(self) -> None:
        """The losses of one epoch, and their gradients."""
        self.epoch += 1
        live = {name: self.shared[name].clone().requires_grad_() for name in ("logits", *LIVE)}
        values = {**self.once, "epoch": self.epoch, **{name: live[name] for name in LIVE}}
        values |= self._policy(live["logits"], self.wanted)
        acting, alive = self.shared["acting"], self.shared["alive"]
        loss = _mean("policy_loss", self._ask("policy_loss", values), acting)
        loss = loss + _mean("value_loss", self._ask("value_loss", values), alive)
        wanted = list(live.values())
        gradients: tuple[torch.Tensor | None, ...] = (None,) * len(wanted)
        if loss.requires_grad:
            gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
        for name, gradient in zip(live, gradients, strict=True):
            out = self.shared[f"d_{name}"]
            out.zero_() if gradient is None else out.copy_(gradient)

    def _ask(self, method: str, values: dict[str, Any]) -> Any:
        function, names = self.methods[method]
        return function(*[values[name] for name in names])

    def _policy(self, parameters: torch.Tensor, wanted: set[str]) -> dict[str, torch.Tensor]:
        if self.agent["continuous"]:
            return self._gaussian(parameters, wanted)
        legal = self.shared["legal"] > 0
        logits = torch.where(legal, parameters, torch.full_like(parameters, ILLEGAL))
        log_policy = torch.log_softmax(logits, -1)
        policy = log_policy.exp()
        made = {"logits": logits, "log_policy": log_policy, "policy": policy}
        chosen = self.once["actions"].long().unsqueeze(-1)
        made["log_probability"] = log_policy.gather(-1, chosen).squeeze(-1)
        if "entropy" in wanted:
            made["entropy"] = -(policy * log_policy).sum(-1)
        if "divergence" in wanted:
            made["divergence"] = (policy * (log_policy - self.once["old_log_policy"])).sum(-1)
        return made

    def _gaussian(self, parameters: torch.Tensor, wanted: set[str]) -> dict[str, torch.Tensor]:
        """Parameters [T, B, 2 D]: means, then logarithms of standard deviations."""
        mean, log_std = parameters.chunk(2, -1)
        z = (self.once["actions"] - mean) * torch.exp(-log_std)
        half = 0.5 * math.log(2 * math.pi)
        made = {"logits": parameters, "log_probability": -(0.5 * z**2 + log_std + half).sum(-1)}
        if "entropy" in wanted:
            made["entropy"] = (log_std + half + 0.5).sum(-1)
        if "divergence" in wanted:
            old_mean, old_log_std = self.once["old_parameters"].chunk(2, -1)
            spread = ((2 * log_std).exp() + (mean - old_mean) ** 2) * torch.exp(-2 * old_log_std)
            made["divergence"] = (old_log_std - log_std + 0.5 * spread - 0.5).sum(-1)
        for name in self.wanted & {"policy", "log_policy", "old_policy", "old_log_policy", "legal"}:
            raise Invalid(f"`{name}` is of discrete actions alone; here actions are vectors")
        return made

    def _of_others(self) -> dict[str, torch.Tensor]:
        """Rewards [O, T, B], policies [O, T, B, A] and actions [O, T, B] of the agents that may be seen; O
        may
        be 0. Policies of fewer actions are padded with zeros."""
        shape = self.once["rewards"].shape
        seen = [other.shared for other in self.others if not other.agent["continuous"]]
        most = max([s["logits"].shape[-1] for s in seen], default=1)
        policies, actions, rewards = torch.zeros(len(seen), *shape, most), [], []
        for k, other in enumerate(seen):
            logits = torch.where(other["legal"] > 0, other["logits"], torch.tensor(ILLEGAL))
            policies[k, ..., : logits.shape[-1]] = torch.softmax(logits, -1)
            actions.append(other["actions"].long().clone())
            rewards.append(other["rewards"].clone())
        none = torch.zeros(0, *shape)
        return {
            "others_policy": policies,
            "others_actions": torch.stack(actions) if seen else none.long(),
            "others_rewards": torch.stack(rewards) if seen else none,
        }


def _mean(method: str, loss: Any, weight: torch.Tensor) -> torch.Tensor:
    """A loss per step, weighed by the steps that count, or a number as it is."""
    if isinstance(loss, torch.Tensor) and loss.shape == weight.shape:
        return (loss * weight).sum() / weight.sum().clamp(min=1.0)
    if isinstance(loss, torch.Tensor) and loss.numel() == 1:
        return loss.sum()
    if isinstance(loss, int | float):
        return torch.tensor(float(loss))
    shown = list(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
    raise Invalid(f"{method} must return a tensor {list(weight.shape)} or a number, not {shown}")


def _parameters(rule: Any, method: str) -> list[str]:
    names = list(inspect.signature(getattr(rule, method)).parameters)[1:]
    unknown = [name for name in names if name not in QUANTITIES]
    if unknown:
        raise ValueError(f"{method} asks for {unknown[0]!r}; it may ask for {', '.join(QUANTITIES)}")
    return names
