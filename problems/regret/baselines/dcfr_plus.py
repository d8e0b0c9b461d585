"""DCFR+: discounted CFR+ (Xu et al. 2024, arXiv 2404.13891, section 4).

Before an addition regrets shrink by d(t - 1), d(t) = t^ALPHA / (t^ALPHA + 1), and the average by
((t - 1) / t)^GAMMA.
"""

import torch


class Rule:
    ALPHA = 1.5
    GAMMA = 4.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average = torch.add(realisation, self.average, alpha=((t - 1) / t) ** self.GAMMA)

    def accumulate_regret(self, t, regret):
        power = (t - 1) ** self.ALPHA
        self.regrets = torch.clamp(torch.add(regret, self.regrets, alpha=power / (power + 1)), min=0.0)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
