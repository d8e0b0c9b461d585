"""DCFR(1.5, 0, 2): discounted CFR (Brown and Sandholm 2019, section 4).

Positive regrets shrink by t^ALPHA / (t^ALPHA + 1), negative ones by t^BETA / (t^BETA + 1), after adding;
iteration t counts t^GAMMA times in the average.
"""

import torch


class Rule:
    ALPHA = 1.5
    BETA = 0.0
    GAMMA = 2.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t**self.GAMMA)

    def accumulate_regret(self, t, regret):
        gains = t**self.ALPHA / (t**self.ALPHA + 1)
        losses = t**self.BETA / (t**self.BETA + 1)
        total = self.regrets + regret
        self.regrets = (total * losses).add_(torch.clamp(total, min=0.0), alpha=gains - losses)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
