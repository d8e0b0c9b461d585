"""APCFR+: PCFR+ that trusts its prediction as far as it was right.

Meng et al. 2025, arXiv 2503.12770v2, equations 4 and 10, known here through other people's accounts of them
that agree. The prediction counts 1 / (1 + a) times. Per infoset, a^2 is the sum of squared prediction errors
|r_t - r_(t-1)|^2 over the sum of squared steps |R_t - R_(t-1)|^2, and a is at most 5.
"""

import torch


class Rule:
    ASYMMETRY = 5.0
    GAMMA = 2.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.predicted = infosets.zeros()
        self.errors = infosets.sum(infosets.zeros())
        self.steps = infosets.sum(infosets.zeros())

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t**self.GAMMA)

    def accumulate_regret(self, regret):
        updated = torch.clamp(self.regrets + regret, min=0.0)
        self.errors += self.infosets.sum((regret - self.predicted) ** 2)
        self.steps += self.infosets.sum((updated - self.regrets) ** 2)
        self.regrets = updated
        self.predicted = regret

    def next_policy(self, regret):
        asymmetry = torch.sqrt(self.errors / torch.clamp(self.steps, min=1e-300))
        trust = 1 / (1 + torch.clamp(asymmetry, max=self.ASYMMETRY))
        return self.infosets.normalise(self.regrets + regret * self.infosets.expand(trust))

    def average_policy(self):
        return self.infosets.normalise(self.average)
