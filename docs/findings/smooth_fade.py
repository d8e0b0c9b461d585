"""Evolved from CFR+. `accumulate_average` sets smooth_realisation to 0.87 * smooth_realisation + t /
(t + 100) * ((1 - 0.87) * …, sets smooth_realisation to smooth_realisation * (t / (t + 0.9177)),
adds t * (t * smooth_realisation) to average, sets average to average * 0.8872; `accumulate_regret`
sets regrets to clamp(regrets + regret, min=0.0), sets regrets to regrets * (t ** 6.076 / (t **
6.076 + 1)); `next_policy` returns normalise(regrets + where(regret > 0, 0.293 * regret, regret));
`average_policy` returns normalise(average).
"""

import torch


class Rule:
    WARM_UP_2 = 5
    FADE = 0.8872
    WARM_UP = 12
    INERTIA = 0.87
    FADE_2_2 = 6.076
    FADE_2 = 0.9177
    BOOST = 0.293
    DELAY = 100

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.smooth_realisation = self.infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.smooth_realisation = self.INERTIA * self.smooth_realisation + t / (t + self.DELAY) * (
            (1 - self.INERTIA) * realisation
        )
        self.smooth_realisation = self.smooth_realisation * (t / (t + self.FADE_2))
        self.average += t * (t * self.smooth_realisation)
        if t == self.WARM_UP:
            self.average = 0 * self.average
        self.average = self.average * self.FADE

    def accumulate_regret(self, t, regret):
        if t == self.WARM_UP_2:
            self.regrets = 0 * self.regrets
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)
        self.regrets = self.regrets * (t**self.FADE_2_2 / (t**self.FADE_2_2 + 1))

    def next_policy(self, regret):
        return self.infosets.normalise(self.regrets + torch.where(regret > 0, self.BOOST * regret, regret))

    def average_policy(self):
        return self.infosets.normalise(self.average)
