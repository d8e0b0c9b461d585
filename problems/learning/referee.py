"""The referee half: environments, networks, optimiser, seeds and returns. Never runs a program."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from problems.learning.adapter import brought_plan
from problems.learning.environments import PLANS, exact
from problems.learning.envs.base import Array, Environment, Plan, on_host
from problems.learning.race import hopeless
from problems.learning.returns import judged
from problems.learning.statistics import interquartile_mean, interval
from problems.learning.team import SPREAD, Team
from problems.problem import CandidateError

BEGIN, LEARN = 0, 1
"""Operations of the candidate."""
ONCE = ("rewards", "dones", "acting", "alive")
CRITICS = ("values", "central_values")
RATE, EPOCHS = 3e-3, 4
LARGEST = 1e6
"""Size above which a gradient is refused: Adam would forget everything before it."""


class Candidate(Protocol):
    def open(
        self, setup: dict[str, Any], arrays: list[tuple[str, str, tuple[int, ...]]]
    ) -> dict[str, np.ndarray]: ...

    def call(self, operation: int) -> None: ...


def rollout(candidate: Candidate, game: bytes, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Train all agents of an environment by one rule, under several seeds at once, and judge them.

    Seed k begins with the same networks and the same chance for every rule, so that rules compare pair by
    pair; ``settings["seed"]``, which depends on the program, is not used.

    Args:
        game: what ``pack`` gave.
        settings: ``seeds``, how many; ``first``, the first of them; ``repeat``, how many times their number
            to skip; ``judgements``, how often the rule is judged, at equal distances, the end included;
            ``scale``, factor of the environment's number of iterations, or ``iterations`` themselves;
            ``race``, whether to stop a rule that is surely worse than random play; ``device``; ``trace``,
            for who would follow a training step by step.

    Returns:
        Equally long series, one number per judgement, the last repeated where racing ended a run: ``steps``
        in the environment of one seed; ``return`` and ``normalised`` (0 random play, 1 the reference),
        interquartile means over seeds; ``low`` and ``high``, a 95 % bootstrap interval of the latter;
        ``seed_1`` .. ``seed_S``, each seed's; where it is exact, ``exploitability``, the mean over seeds.
        And ``planned``, one number: steps of a run to the end, all seeds together; ``spared``: those of
        them that racing did not take. With ``trace`` also ``rewards``: per iteration and agent the mean of a
        batch; and ``gradients``: per iteration, epoch and agent the norms of the loss's gradients by logits,
        values and central values.

    Raises:
        CandidateError: the candidate failed; ``artifact`` holds the series up to there.
    """
    torch.set_num_threads(1)
    plan = _plan(game, settings.get("device", "cpu"))
    training = Training(candidate, plan, settings)
    try:
        training.run(settings["judgements"], settings.get("race", False))
    except CandidateError as error:
        error.artifact = training.series
        raise
    return training.series


def _plan(game: bytes, device: str) -> Plan:
    told = json.loads(game)
    return PLANS[told["environment"]] if "environment" in told else brought_plan(told, device)


class Training:
    """One environment being learnt: networks, copies of the environment, and what has been measured."""

    def __init__(self, candidate: Candidate, plan: Plan, settings: dict[str, Any]) -> None:
        self.candidate, self.plan, self.settings = candidate, plan, settings
        first = settings.get("first", 0) + settings["seeds"] * settings.get("repeat", 0)
        self.seeds = list(range(first, first + settings["seeds"]))
        self.count, self.copies, self.steps = len(self.seeds), plan.copies, plan.steps
        self.iterations = settings.get("iterations") or max(2, round(plan.iterations * settings["scale"]))
        self.environment = self._copy(plan.copies, 1)
        self.agents = self.environment.agents
        self.chance = self.environment.uniform([first, 2])
        self.most = 2 * max(agent.actions for agent in self.agents)
        self.shared = self._open()
        central = bool(self.shared["wants"][0]) and self.environment.centralised
        rate = plan.options.get("rate", RATE)
        self.team = Team(self.agents, self.seeds, rate, settings.get("device", "cpu"), central)
        self.exact = exact(plan) if plan.tree or plan.measure == "exploitability" else None
        self.taken = 0
        whole = self.iterations * self.steps * self.copies * self.count
        self.series: dict[str, list[float]] = {"planned": [whole], "spared": [whole]}

    def run(self, judgements: int, race: bool) -> None:
        marks = {round(self.iterations * (k + 1) / judgements) for k in range(judgements)} - {0}
        for iteration in range(1, self.iterations + 1):
            self.learn(self.play())
            if iteration in marks:
                scores = self._judge()
                last = iteration == self.iterations
                if race and not last and hopeless(scores, len(self.series["steps"]), len(marks)):
                    self._stay(len(marks))
                    break

    def _stay(self, judgements: int) -> None:
        """A run that is ended early counts on as it was judged last."""
        for name, values in self.series.items():
            if name not in ("planned", "spared"):
                values += values[-1:] * (judgements - len(values))

    def _copy(self, copies: int, stream: int) -> Environment:
        """Copies for every seed, all at their first step."""
        chance = np.random.default_rng([self.seeds[0], stream])
        environment = self.plan.make(self.count * copies, chance)
        environment.reset(np.ones(environment.batch, bool))
        return environment

    def _open(self) -> dict[str, np.ndarray]:
        """Hand the candidate its arrays. What an agent is called, and what is played, it is not told."""
        shape = (self.count, self.steps, self.copies)
        arrays: list[tuple[str, str, tuple[int, ...]]] = [("wants", "float64", (1,))]
        steps = [*ONCE, *(f"{when}_{name}" for when in ("old", "next", "d") for name in CRITICS), *CRITICS]
        every = range(len(self.agents))
        for i, agent in enumerate(self.agents):
            width = 2 * agent.actions if agent.continuous else agent.actions
            wide = ("logits", "d_logits", *(() if agent.continuous else ("legal",)))
            arrays += [(f"{i}.{name}", "float32", shape) for name in steps]
            arrays += [(f"{i}.{name}", "float32", (*shape, width)) for name in wide]
            actions = (*shape, agent.actions) if agent.continuous else shape
            arrays.append((f"{i}.actions", "float32", actions))
        agents = [
            {"continuous": a.continuous, "others": [j for j in every if j != i and self.environment.open]}
            for i, a in enumerate(self.agents)
        ]
        setup = {"seeds": self.count, "steps": self.steps, "environments": self.copies, "agents": agents}
        return self.candidate.open(setup, arrays)

    def play(self) -> list[torch.Tensor]:
        """One batch. Writes what does not depend on the critics; returns per agent what it saw,
        [S, T + 1, B, O].

        What is on a device comes to the host once, when the batch is whole.
        """
        environment, rows = self.environment, [defaultdict[str, list[Array]](list) for _ in self.agents]
        dead = np.zeros((environment.batch, len(self.agents)), bool)
        for _ in range(self.steps):
            legal, acting = environment.legal(), environment.acting()
            actions, observations = self.team.act(environment, self._numbers(environment.batch))
            step = environment.step(actions)
            out = step.dead | step.ended[:, None]
            for i, row in enumerate(rows):
                row["seen"].append(observations[i])
                row["actions"].append(actions[i])
                row["rewards"].append(step.rewards[:, i])
                row["dones"].append(out[:, i])
                row["alive"].append(~dead[:, i])
                row["acting"].append(acting[:, i] & ~dead[:, i])
                if not self.agents[i].continuous:
                    row["legal"].append(self._every(i) if legal[i] is None else legal[i])
            dead = step.dead & ~step.ended[:, None]
            if step.ended.any():
                environment.reset(step.ended)
        for row, observation in zip(rows, environment.observe(), strict=True):
            row["seen"].append(observation)
        self.taken += self.steps * environment.batch
        seen = [self._by_seed(row.pop("seen")) for row in rows]
        for i, row in enumerate(rows):
            for name, values in row.items():
                target = self.shared[f"{i}.{name}"]
                target[...] = on_host(self._by_seed(values)).reshape(target.shape)
        return [torch.as_tensor(x, device=self.team.device) for x in seen]

    def _numbers(self, batch: int) -> Array:
        return self.chance.random((len(self.agents), batch, self.most)) * (1 - 2e-9) + 1e-9

    def _every(self, agent: int) -> np.ndarray:
        """[S * B, A]: every action is legal."""
        return np.ones((self.environment.batch, self.agents[agent].actions), bool)

    def _by_seed(self, rows: Sequence[Array]) -> Array:
        """[S * B, ...] per step -> [S, steps, B, ...]."""
        table = np.stack(rows) if isinstance(rows[0], np.ndarray) else torch.stack(list(rows))
        return table.reshape(len(rows), self.count, self.copies, *table.shape[2:]).swapaxes(0, 1)

    def learn(self, every: list[torch.Tensor]) -> None:
        """All epochs on one batch."""
        flat = [x[:, :-1].reshape(self.count, -1, x.shape[-1]) for x in every]
        whole = [x.reshape(self.count, -1, x.shape[-1]) for x in every]
        with torch.no_grad():
            self._put_values("values", self.team.values(whole))
            central = self.team.central_values(whole) if self.team.central else self.team.values(whole)
            self._put_values("central_values", central)
        for epoch in range(self.plan.options.get("epochs", EPOCHS)):
            outputs = {
                "logits": [_bounded(a, x) for a, x in zip(self.agents, self.team.logits(flat), strict=True)]
            }
            outputs["values"] = self.team.values(flat)
            if self.team.central:
                outputs["central_values"] = self.team.central_values(flat)
            for name, tensors in outputs.items():
                for i, x in enumerate(tensors):
                    target = self.shared[f"{i}.{name}"]
                    target[...] = x.detach().cpu().numpy().reshape(target.shape)
                    if name == "values" and not self.team.central:
                        self.shared[f"{i}.central_values"][...] = target
            if epoch == 0:
                self.candidate.call(BEGIN)
            self.candidate.call(LEARN)
            self._descend(outputs)
            if self.settings.get("trace"):
                self._trace(epoch)

    def _trace(self, epoch: int) -> None:
        for i in range(len(self.agents)):
            if epoch == 0:
                self.series.setdefault("rewards", []).append(float(self.shared[f"{i}.rewards"].mean()))
            for name in ("logits", *CRITICS):
                norm = float(np.linalg.norm(self.shared[f"{i}.d_{name}"]))
                self.series.setdefault("gradients", []).append(norm)

    def _put_values(self, name: str, values: list[torch.Tensor]) -> None:
        """The critics' values of a batch's steps and of what followed them."""
        for i, x in enumerate(values):
            table = x.cpu().numpy().reshape(self.count, self.steps + 1, self.copies)
            self.shared[f"{i}.old_{name}"][...] = table[:, :-1]
            self.shared[f"{i}.next_{name}"][...] = table[:, 1:]

    def _descend(self, outputs: dict[str, list[torch.Tensor]]) -> None:
        """Carry the candidate's gradients into the networks. Raises CandidateError if they are no
        gradients."""
        roots, gradients = [], []
        for name, tensors in outputs.items():
            for i, x in enumerate(tensors):
                gradient = self.shared[f"{i}.d_{name}"].copy()
                if name == "values" and not self.team.central:
                    gradient = gradient + self.shared[f"{i}.d_central_values"]
                if not np.isfinite(gradient).all() or np.abs(gradient).max(initial=0.0) > LARGEST:
                    raise CandidateError("invalid", _fault(name, gradient))
                roots.append(x)
                gradients.append(torch.as_tensor(gradient, device=x.device).reshape(x.shape))
        torch.autograd.backward(roots, gradients)
        self.team.step()

    def _judge(self) -> np.ndarray:
        """[S] normalised scores of the policies as they are; appends them to the series."""
        plan = self.plan
        if self.exact is not None:
            raw = self.exact.exploitability(self.team.policies)
            self._append("exploitability", float(raw.mean()))
        if plan.measure != "exploitability":
            environment = self._copy(plan.episodes, 3)
            raw = judged(environment, self.team, plan, environment.uniform([self.seeds[0], 4]))
        scores = (raw - plan.low) / (plan.high - plan.low)
        for name, value in summary(raw, scores, self.seeds[0]).items():
            self._append(name, value)
        self._append("steps", self.taken / self.count)
        self.series["spared"][0] = self.series["planned"][0] - self.taken
        return scores

    def _append(self, name: str, value: float) -> None:
        self.series.setdefault(name, []).append(value)


def summary(raw: np.ndarray, scores: np.ndarray, seed: int) -> dict[str, float]:
    """What a judgement adds to the series."""
    low, high = interval(scores[:, None], seed)
    made = {
        "return": interquartile_mean(raw),
        "normalised": interquartile_mean(scores),
        "low": low,
        "high": high,
    }
    return made | {f"seed_{k + 1}": float(score) for k, score in enumerate(scores)}


def _bounded(agent: Any, x: torch.Tensor) -> torch.Tensor:
    """A Gaussian policy's parameters with the spread that it is played with."""
    if not agent.continuous:
        return x
    mean, log_std = x.chunk(2, -1)
    return torch.cat([mean, log_std.clamp(*SPREAD)], -1)


def _fault(name: str, gradient: np.ndarray) -> str:
    if not np.isfinite(gradient).all():
        return f"the gradient of the loss by {name} is not finite (a division by zero, a logarithm of zero?)"
    size = np.abs(gradient).max()
    return f"the gradient of the loss by {name} reaches {size:.3g}; at most {LARGEST:g} is allowed"
