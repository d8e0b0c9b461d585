"""Evolved from DCFR+, APCFR+, HS-DCFR and PCFR+. `accumulate_average` does nothing if t <= 10, adds t
** 17.1 * realisation to average; `accumulate_regret` sets power to (t - 1) ** 1.5, sets regrets to
clamp(regret + power / (power + 1) * regrets, min=0.0); `next_policy` sets slow_regrets to 0.9 *
slow_regrets + (1 - 0.9) * regrets, returns normalise(regrets + 0.5 * (regrets - slow_regrets));
`average_policy` returns normalise(average).
"""

import torch


class Rule:
    GAMMA_2 = 14.76
    ALPHA = 1.615
    INERTIA = 0.9003
    LEAD = 0.7076
    WARM_UP = 9

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.slow_regrets = self.infosets.zeros()

    def accumulate_average(self, t, realisation):
        if t <= self.WARM_UP:
            return
        self.average += t**self.GAMMA_2 * realisation

    def accumulate_regret(self, t, regret):
        power = (t - 1) ** self.ALPHA
        self.regrets = torch.clamp(regret + power / (power + 1) * self.regrets, min=0.0)

    def next_policy(self):
        self.slow_regrets = self.INERTIA * self.slow_regrets + (1 - self.INERTIA) * self.regrets
        return self.infosets.normalise(self.regrets + self.LEAD * (self.regrets - self.slow_regrets))

    def average_policy(self):
        return self.infosets.normalise(self.average)
