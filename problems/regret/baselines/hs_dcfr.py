"""HS-DCFR(30): DCFR whose exponents follow a schedule.

Zhang, McAleer and Sandholm 2024, arXiv 2404.09097, equations 2 to 4, known here through accounts of them.
After adding, positive regrets shrink by d(t, 1 + 3 t/n), negative ones by d(t, -1 - 2 t/n), with
d(t, x) = t^x / (t^x + 1) and n the horizon; the average shrinks by ((t - 1) / t)^(30 - 5 t/n).
"""

import torch


class Rule:
    HORIZON = 1000.0
    ALPHA = 1.0
    ALPHA_SLOPE = 3.0
    BETA = -1.0
    BETA_SLOPE = -2.0
    GAMMA = 30.0
    GAMMA_SLOPE = -5.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        gamma = self.GAMMA + self.GAMMA_SLOPE * t / self.HORIZON
        self.average = torch.add(realisation, self.average, alpha=((t - 1) / t) ** gamma)

    def accumulate_regret(self, t, regret):
        power = t ** (self.ALPHA + self.ALPHA_SLOPE * t / self.HORIZON)
        gains = power / (power + 1)
        power = t ** (self.BETA + self.BETA_SLOPE * t / self.HORIZON)
        losses = power / (power + 1)
        total = self.regrets + regret
        self.regrets = (total * losses).add_(torch.clamp(total, min=0.0), alpha=gains - losses)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
