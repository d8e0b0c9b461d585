"""DCFR with a trend: discounted regrets read ahead of their running mean, sharpened, averaged late.

Written by hand while the discovery tools were built; constants by CMA-ES on train and other open games, then
rounded. See docs/findings.md.
"""

import torch


class Rule:
    ALPHA = 2.0
    OPTIMISM = 4.0
    DELAY = 2.0
    TREND = 1.0
    SMOOTHING = 0.05
    POWER = 1.5
    GAMMA = 15.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.smooth = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average = torch.add(realisation, self.average, alpha=((t - 1) / t) ** self.GAMMA)

    def discounted(self, t):
        gains = t**self.ALPHA / (t**self.ALPHA + 1)
        return (self.regrets * 0.5).add_(torch.clamp(self.regrets, min=0.0), alpha=gains - 0.5)

    def accumulate_regret(self, t, regret):
        self.regrets = self.discounted(t) + regret

    def next_policy(self, t, regret):
        outlook = torch.add(self.discounted(t + 1), regret, alpha=self.OPTIMISM / (self.DELAY + t))
        outlook = torch.add(outlook, self.regrets - self.smooth, alpha=self.TREND)
        self.smooth = self.SMOOTHING * self.regrets + (1 - self.SMOOTHING) * self.smooth
        return self.infosets.normalise(torch.clamp(outlook, min=0.0) ** self.POWER)

    def average_policy(self):
        return self.infosets.normalise(self.average)
