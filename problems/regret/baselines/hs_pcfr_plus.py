"""HS-PCFR+(30): PCFR+ whose averaging follows a schedule.

Zhang, McAleer and Sandholm 2024, arXiv 2404.09097, as fitted to the curves of Li et al. 2026.
The average shrinks by ((t - 1) / t)^(30 - 5 t/n), n the horizon, before the new policy is added.
"""

import torch


class Rule:
    HORIZON = 1000.0
    GAMMA = 30.0
    GAMMA_SLOPE = -5.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        gamma = self.GAMMA + self.GAMMA_SLOPE * t / self.HORIZON
        self.average = torch.add(realisation, self.average, alpha=((t - 1) / t) ** gamma)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self, regret):
        return self.infosets.normalise(self.regrets + regret)

    def average_policy(self):
        return self.infosets.normalise(self.average)
