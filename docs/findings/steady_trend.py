"""Evolved from SAPCFR+. `accumulate_average` adds ((t * (max(t - 3, 0) + 41)) ** 3.445) ** 4.481 *
realisation to average, sets average to clamp(average, min=0.0); `accumulate_regret` sets regrets to
clamp(regrets + where(regret > 0, 1.1 * regret, regret), min=0.0); `next_policy` sets slow_regrets
to 0.8955 * slow_regrets + (1 - 0.8955) * regrets, returns normalise(regrets + 0.835 * (1 + 5 / t) *
(regrets - (slow_regrets + 0.5 * …; `average_policy` returns normalise(average).
"""

import torch


class Rule:
    ASYMMETRY = 3.54
    GAMMA = 4.481
    POWER = 3.445
    HORIZON = 4
    INERTIA = 0.8955
    LEAD = 0.835
    DELAY_2 = 3
    SHARE = 0.5
    BOOST = 1.1
    HORIZON_2 = 5
    WARM_UP = 10
    BOOST_2 = 0.9
    DELAY_3 = 41

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.slow_regrets = self.infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average += (
            (t * (max(t - self.DELAY_2, 0) + self.DELAY_3)) ** self.POWER
        ) ** self.GAMMA * realisation
        self.average = torch.clamp(self.average, min=0.0)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(
            self.regrets + torch.where(regret > 0, self.BOOST * regret, regret), min=0.0
        )

    def next_policy(self, t, regret):
        if t == self.WARM_UP:
            self.slow_regrets = 0 * self.slow_regrets
        self.slow_regrets = self.INERTIA * self.slow_regrets + (1 - self.INERTIA) * self.regrets
        return self.infosets.normalise(
            self.regrets
            + self.LEAD
            * (1 + self.HORIZON_2 / t)
            * (self.regrets - (self.slow_regrets + self.SHARE * regret))
            + torch.where(regret > 0, self.BOOST_2 * regret, regret)
            + 1 / (t / (t + self.HORIZON) + self.ASYMMETRY) * regret
        )

    def average_policy(self):
        return self.infosets.normalise(self.average)
