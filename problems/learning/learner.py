"""An agent and its rule, as exported training scripts have them: this text goes into the file
(``script.py``). It imports nothing of ours."""

# --- exported from here ---
import inspect
import math

import torch
from torch import nn

# --- the agents ---
ILLEGAL = -1e4  # logit of an action that is not legal: its probability is exactly zero
METHODS = ("advantages", "policy_loss", "value_loss")


class Batch:
    """What the rule calls ``batch``: helpers on [T, B], T steps of B copies side by side."""

    def __init__(self, steps, environments):
        self.steps, self.environments = steps, environments

    def zeros(self):
        return torch.zeros(self.steps, self.environments)

    def ones(self):
        return torch.ones(self.steps, self.environments)

    def sum(self, x):
        return x.sum()

    def mean(self, x):
        return x.mean()

    def max(self, x):
        return x.max()

    def min(self, x):
        return x.min()

    def expand(self, y):
        return torch.as_tensor(y).expand(self.steps, self.environments)

    def accumulate(self, x, dones, decay):
        """y[t] = x[t] + decay * (1 - dones[t]) * y[t + 1], backwards; no gradient flows through it."""
        out, going = x.detach().double(), 1.0 - dones.double()
        for t in range(self.steps - 2, -1, -1):
            out[t] = (out[t] + float(decay) * going[t] * out[t + 1]).float()
        return out.float()

    def standardise(self, x):
        return (x - x.mean()) / (x.std() + 1e-8)

    def over_actions(self, x):
        return x.sum(-1)


class Learner:
    """One agent: its rule, and what it has of a batch ([T, B] unless said otherwise)."""

    def __init__(self, space, rule):
        self.space, self.rule = space, rule
        self.asked = {name: list(inspect.signature(getattr(self.rule, name)).parameters) for name in METHODS}
        self.known = {}

    def wants_central(self):
        return any("central" in name for names in self.asked.values() for name in names)

    def take(self, batch, outputs, t):
        """Begin an iteration with a batch, and what the networks gave when it was played."""
        self.acting, self.alive, logits = batch.pop("acting"), batch.pop("alive"), outputs["logits"]
        self.known = {**batch, "t": t, "epoch": 1, "acting": self.acting, "old_parameters": logits}
        old = self.policy(logits)
        names = ("log_probability", "log_policy", "policy")
        self.known |= {f"old_{name}": old[name] for name in names if name in old}
        self.known |= {name: self.known[f"old_{name}"] for name in ("values", "central_values")}

    def credit(self, others):
        """Ask the rule for the advantages."""
        zeros, known = torch.zeros_like(self.known["rewards"]), self.known
        seen = [other.known for other in others if "old_policy" in other.known]
        most = max([other["old_policy"].shape[-1] for other in seen], default=1)
        pad = nn.functional.pad
        policies = [pad(other["old_policy"], (0, most - other["old_policy"].shape[-1])) for other in seen]
        none = zeros.expand(0, *zeros.shape)
        known["others_policy"] = torch.stack(policies) if seen else none.unsqueeze(-1)
        known["others_actions"] = (
            torch.stack([other["actions"].long() for other in seen]) if seen else none.long()
        )
        known["others_rewards"] = torch.stack([other["rewards"] for other in seen]) if seen else none
        now = {**self.policy(known["old_parameters"]), "advantage": zeros, "returns": known["old_values"]}
        known["advantage"] = self.ask("advantages", {**now, **known}).detach()
        known["returns"] = known["advantage"] + known["old_values"]

    def losses(self, live, epoch):
        """The losses of policy and critic, as numbers: means over the steps that count."""
        values = {**self.known, **live, "epoch": epoch, **self.policy(live["logits"])}
        found = []
        for name, weight in (("policy_loss", self.acting), ("value_loss", self.alive)):
            loss = torch.as_tensor(self.ask(name, values), dtype=torch.float32)
            whole = loss.shape == weight.shape
            found.append((loss * weight).sum() / weight.sum().clamp(min=1.0) if whole else loss.sum())
        return found

    def ask(self, method, values):
        if missing := [name for name in self.asked[method] if name not in values]:
            raise ValueError(
                f"{method} asks for {missing[0]}, which agents with vectors for actions do not have"
            )
        return getattr(self.rule, method)(**{name: values[name] for name in self.asked[method]})

    def policy(self, parameters):
        """What a policy with these parameters [T, B, K] is, and how likely it makes the actions taken."""
        known = self.known
        if self.space.continuous:
            mean, log_std = parameters.chunk(2, -1)
            old_mean, old_log_std = known["old_parameters"].chunk(2, -1)
            z, half = (known["actions"] - mean) * torch.exp(-log_std), 0.5 * math.log(2 * math.pi)
            spread = ((2 * log_std).exp() + (mean - old_mean) ** 2) * torch.exp(-2 * old_log_std)
            return {
                "logits": parameters,
                "log_probability": -(0.5 * z**2 + log_std + half).sum(-1),
                "entropy": (log_std + half + 0.5).sum(-1),
                "divergence": (old_log_std - log_std + 0.5 * spread - 0.5).sum(-1),
            }
        logits = torch.where(known["legal"] > 0, parameters, torch.full_like(parameters, ILLEGAL))
        log_policy = torch.log_softmax(logits, -1)
        policy, old = log_policy.exp(), known.get("old_log_policy", log_policy)
        return {
            "logits": logits,
            "log_policy": log_policy,
            "policy": policy,
            "log_probability": log_policy.gather(-1, known["actions"].long().unsqueeze(-1)).squeeze(-1),
            "entropy": -(policy * log_policy).sum(-1),
            "divergence": (policy * (log_policy - old)).sum(-1),
        }
