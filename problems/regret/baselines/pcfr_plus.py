"""PCFR+: predictive CFR+ (Farina, Kroer and Sandholm 2021, Algorithm 3), quadratic averaging.

The last regret serves as the prediction of the next.
"""

import torch


class Rule:
    GAMMA = 2.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t**self.GAMMA)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self, regret):
        return self.infosets.normalise(self.regrets + regret)

    def average_policy(self):
        return self.infosets.normalise(self.average)
