"""CFR+: regrets floored at zero, linear averaging (Tammelin 2014, Algorithm 1)."""

import torch


class Rule:
    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
