"""DPCFR+ or PDCFR+: predictive discounted CFR+ (Xu et al. 2024, arXiv 2404.13891, Algorithm 1).

Before an addition, regrets shrink by d(t - 1) and the prediction's by d(t), d(t) = t^ALPHA / (t^ALPHA + 1);
the average shrinks by ((t - 1) / t)^GAMMA.
"""

import torch


class Rule:
    ALPHA = 2.3
    GAMMA = 5.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def discount(self, t):
        return t**self.ALPHA / (t**self.ALPHA + 1)

    def accumulate_average(self, t, realisation):
        self.average = torch.add(realisation, self.average, alpha=((t - 1) / t) ** self.GAMMA)

    def accumulate_regret(self, t, regret):
        self.regrets = torch.clamp(torch.add(regret, self.regrets, alpha=self.discount(t - 1)), min=0.0)

    def next_policy(self, t, regret):
        return self.infosets.normalise(torch.add(regret, self.regrets, alpha=self.discount(t)))

    def average_policy(self):
        return self.infosets.normalise(self.average)
