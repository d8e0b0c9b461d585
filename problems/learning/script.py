"""A learning rule as a training script in one file: torch, numpy and pettingzoo are all that it needs.

This very file is the body of what ``equilibrist export`` writes: the part between the marks is replaced by
the rule, and what is imported here goes in as it is. Then nothing of ours is imported.
"""

from problems.learning.copies import Copies
from problems.learning.learner import Batch, Learner

# isort: split
# --- exported from here ---
import argparse
import ast
import importlib
import sys
import time
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

# --- the rule ---


class Rule:
    """Independent PPO (de Witt et al. 2020)."""

    def __init__(self, batch):
        self.batch = batch

    def advantages(self, rewards, old_values, next_values, dones):
        errors = rewards + 0.99 * (1 - dones) * next_values - old_values
        return self.batch.accumulate(errors, dones, 0.99 * 0.95)

    def policy_loss(self, log_probability, old_log_probability, advantage, entropy):
        gain = self.batch.standardise(advantage)
        ratio = torch.exp(log_probability - old_log_probability)
        near = torch.clamp(ratio, min=0.8, max=1.2)
        return -torch.minimum(ratio * gain, near * gain) - 0.01 * entropy

    def value_loss(self, values, returns):
        return 0.5 * torch.square(values - returns)


# --- the training ---
SPREAD = (-3.0, 0.5)  # bounds of the logarithm of a Gaussian policy's standard deviation
LONGEST = 1000  # steps after which an episode that is judged is taken as it is


@dataclass
class Options:
    env: str = ""  # package.module:function(size=3) of a PettingZoo parallel environment
    seed: int = 1
    iterations: int = 100
    steps: int = 32  # of a batch, in every copy of the environment
    copies: int = 8  # of the environment
    epochs: int = 4  # steps of the optimiser on a batch
    learning_rate: float = 3e-3
    max_grad_norm: float = 0.5  # of every network on its own
    hidden: int = 64
    judge_every: int = 10  # iterations
    episodes: int = 8  # played when the policies are judged
    log_dir: str = "runs"  # for TensorBoard, if it is installed; empty: none
    save: str = ""  # a file for the networks' weights at the end


class Network(nn.Module):
    """Two hidden layers of tanh, orthogonal weights; with ``free`` a logarithm of the standard deviation per
    action besides, which does not depend on the input."""

    def __init__(self, inputs, hidden, outputs, gain, seed, free=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes, gains = (inputs, hidden, hidden, outputs), (2**0.5, 2**0.5, gain)
        self.layers = nn.ModuleList(nn.Linear(sizes[k], sizes[k + 1]) for k in range(3))
        for layer, scale in zip(self.layers, gains, strict=True):
            rows, columns = layer.in_features, layer.out_features
            tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
            q, r = torch.linalg.qr(tall)
            q = q * torch.sign(torch.diagonal(r))
            layer.weight.data = scale * (q.T if rows >= columns else q).contiguous()
            layer.bias.data.zero_()
        self.log_std = nn.Parameter(torch.full((free,), -0.5)) if free else None

    def forward(self, x):
        first, second, last = self.layers
        x = last(torch.tanh(second(torch.tanh(first(x)))))
        if self.log_std is not None:
            x = torch.cat([x, self.log_std.clamp(*SPREAD).expand(len(x), -1)], -1)
        return x


class Training:
    """Networks, optimiser, and everybody's learning on one environment."""

    def __init__(self, make, options):
        self.make, self.options, seed = make, options, 1000 * options.seed
        self.copies = Copies(make, options.copies, [options.seed, 1])
        self.chance = np.random.default_rng([options.seed, 2])
        batch = Batch(options.steps, options.copies)
        self.learners = [Learner(space, Rule(batch)) for space in self.copies.spaces]
        self.networks = nn.ModuleDict()
        sizes = [space.size + len(m) for space, m in zip(self.copies.spaces, self.copies.marks, strict=True)]
        for role, space, size in zip(self.copies.roles, self.copies.spaces, sizes, strict=True):
            if f"actor {role}" not in self.networks:
                free, shift = space.actions if space.continuous else 0, seed + 10 * role
                actor = Network(size, options.hidden, space.actions, 0.01, shift, free)
                self.networks[f"actor {role}"] = actor
                self.networks[f"critic {role}"] = Network(size, options.hidden, 1, 1.0, shift + 1)
        if any(learner.wants_central() for learner in self.learners):
            central = Network(sum(sizes), options.hidden, len(sizes), 1.0, seed + 999)
            self.networks["central critic"] = central
        self.optimiser = torch.optim.Adam(self.networks.parameters(), lr=options.learning_rate, eps=1e-5)
        self.rewards, self.gradients, self.iteration = [], [], 0

    def by_role(self, kind, observations):
        """Per agent [M, observation] -> [M, outputs], one call per network."""
        out = [None] * len(observations)
        for role in dict.fromkeys(self.copies.roles):
            members = [i for i, own in enumerate(self.copies.roles) if own == role]
            made = self.networks[f"{kind} {role}"](torch.cat([observations[i] for i in members]))
            for i, part in zip(members, made.chunk(len(members)), strict=True):
                out[i] = part
        return out

    def values(self, observations):
        """Per agent [M] by the own critics, and by the central one where the rule asks for it."""
        own = [x[:, 0] for x in self.by_role("critic", observations)]
        if "central critic" not in self.networks:
            return {"values": own, "central_values": own}
        central = self.networks["central critic"](torch.cat(observations, -1))
        return {"values": own, "central_values": list(central.unbind(-1))}

    @torch.no_grad()
    def act(self, copies, chance):
        seen, legal = copies.observe(), copies.legal()
        numbers = chance.random((len(seen), len(copies.copies), copies.most)) * (1 - 2e-9) + 1e-9
        parameters = self.by_role("actor", [torch.from_numpy(x) for x in seen])
        parts = zip(copies.spaces, parameters, legal, numbers, strict=True)
        return [space.draw(x.numpy(), mask, n) for space, x, mask, n in parts], seen, legal

    def play(self):
        """One batch: observations per agent [T + 1, B, observation], and what else each agent has of it."""
        copies, steps, agents = self.copies, self.options.steps, range(len(self.learners))
        names = ("actions", "legal", "rewards", "dones", "acting", "alive")
        rows, observations = [{name: [] for name in names} for _ in agents], [[] for _ in agents]
        dead = np.zeros((len(copies.copies), len(agents)), bool)
        for _ in range(steps):
            acting = copies.acting() & ~dead
            actions, seen, legal = self.act(copies, self.chance)
            rewards, ended, out = copies.step(actions)
            for i in agents:
                observations[i].append(seen[i])
                dones = out[:, i] | ended
                given = (actions[i], legal[i], rewards[:, i], dones, acting[:, i], ~dead[:, i])
                for name, value in zip(rows[i], given, strict=True):
                    rows[i][name].append(value)
            dead = out & ~ended[:, None]
            if ended.any():
                copies.reset(ended)
        for i, seen in enumerate(copies.observe()):
            observations[i].append(seen)
        floats = [{n: torch.tensor(np.array(v), dtype=torch.float32) for n, v in row.items()} for row in rows]
        return [torch.from_numpy(np.stack(x)) for x in observations], floats

    def iterate(self):
        """One batch, and the epochs on it. Returns means to be logged."""
        self.iteration += 1
        steps, width = self.options.steps, self.options.copies
        observations, batches = self.play()
        flat = [x[:-1].flatten(0, 1) for x in observations]
        with torch.no_grad():
            for name, found in self.values([x.flatten(0, 1) for x in observations]).items():
                for batch, x in zip(batches, found, strict=True):
                    table = x.reshape(steps + 1, width)
                    batch[f"old_{name}"], batch[f"next_{name}"] = table[:-1], table[1:]
        self.rewards, self.gradients = [float(batch["rewards"].mean()) for batch in batches], []
        logged = {"reward": float(np.mean(self.rewards))}
        for epoch in range(1, self.options.epochs + 1):
            outputs = {"logits": self.by_role("actor", flat), **self.values(flat)}
            live = [
                {
                    name: x[i].detach().reshape(steps, width, -1).requires_grad_()
                    for name, x in outputs.items()
                }
                for i in range(len(self.learners))
            ]
            for own in live:
                own |= {
                    name: own[name].detach().squeeze(-1).requires_grad_() for name in own if name != "logits"
                }
            if epoch == 1:
                self.begin(batches, live)
            losses = [learner.losses(own, epoch) for learner, own in zip(self.learners, live, strict=True)]
            self.descend(outputs, live, [policy + value for policy, value in losses])
            for k, name in enumerate(("policy loss", "value loss")):
                logged[name] = float(np.mean([loss[k].item() for loss in losses]))
        return logged

    @torch.no_grad()
    def begin(self, batches, live):
        for learner, batch, own in zip(self.learners, batches, live, strict=True):
            learner.take(batch, {name: x.detach() for name, x in own.items()}, self.iteration)
        for learner in self.learners:
            learner.credit([other for other in self.learners if other is not learner])

    def descend(self, outputs, live, losses):
        """Through the networks' outputs; what a loss does not depend on has gradient zero, but momentum."""
        roots, gradients = [], []
        for i, loss in enumerate(losses):
            found = [None] * len(outputs)
            if loss.requires_grad:
                found = torch.autograd.grad(loss, list(live[i].values()), allow_unused=True)
            for (name, x), gradient in zip(outputs.items(), found, strict=True):
                gradient = torch.zeros_like(live[i][name]) if gradient is None else gradient
                if not torch.isfinite(gradient).all():
                    raise ValueError(f"the gradient of the loss by {name} is not finite")
                self.gradients.append(float(gradient.norm()))
                roots.append(x[i])
                gradients.append(gradient.reshape(x[i].shape))
        torch.autograd.backward(roots, gradients)
        for network in self.networks.values():
            own = [p.grad for p in network.parameters() if p.grad is not None]
            if own:
                norm = torch.stack([g.square().sum() for g in own]).sum().sqrt()
                scale = (self.options.max_grad_norm / (norm + 1e-8)).clamp(max=1.0)
                for gradient in own:
                    gradient.mul_(scale)
        self.optimiser.step()
        self.optimiser.zero_grad()

    def judge(self):
        """Mean over agents and copies of the return of one episode."""
        copies = Copies(self.make, self.options.episodes, [self.options.seed, 3])
        chance = np.random.default_rng([self.options.seed, 4])
        total, going = 0.0, np.ones(len(copies.copies), bool)
        for _ in range(LONGEST):
            rewards, ended, _ = copies.step(self.act(copies, chance)[0])
            total = total + rewards * going[:, None]
            going &= ~ended
            if not going.any():
                break
            if ended.any():
                copies.reset(ended)
        return float(total.mean())


def environment(text):
    """``package.module:function(name=value)`` -> what makes one environment."""
    entry, _, arguments = text.partition("(")
    module, _, function = entry.partition(":")
    if not function:
        raise SystemExit(f"{text!r} does not say where an environment is made: package.module:function")
    words = ast.parse(f"f({arguments or ')'}", mode="eval").body.keywords
    given = {word.arg: ast.literal_eval(word.value) for word in words}
    sys.path.insert(0, "")
    return lambda: getattr(importlib.import_module(module), function)(**given)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for option in fields(Options):
        name = f"--{option.name.replace('_', '-')}"
        parser.add_argument(
            name, type=type(option.default), default=option.default, required=option.name == "env"
        )
    options = Options(**vars(parser.parse_args()))
    torch.set_num_threads(1)
    training = Training(environment(options.env), options)
    writer, started = None, time.time()
    if options.log_dir:
        try:
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(f"{options.log_dir}/{options.env}__{options.seed}__{int(started)}")
        except ImportError:
            pass
    for iteration in range(1, options.iterations + 1):
        logged = training.iterate()
        steps = iteration * options.steps * options.copies
        if iteration % options.judge_every == 0 or iteration == options.iterations:
            logged["return"] = training.judge()
            shown = "  ".join(f"{name} {value:.4g}" for name, value in reversed(logged.items()))
            print(f"steps {steps}  {shown}  {steps / (time.time() - started):.0f} steps/s", flush=True)
        for name, value in logged.items() if writer else ():
            writer.add_scalar(name.replace(" ", "_"), value, steps)
    if writer:
        writer.close()
    if options.save:
        torch.save(training.networks.state_dict(), options.save)


if __name__ == "__main__":
    main()
