"""Evolved from AOD-CFR. `accumulate_average` sets weight to (t + 1) ** (1.0 + 4.0 * min(1.0, t /
500)), sets average to average * (weight / (weight + 1)) + realisation * weight; `accumulate_regret`
sets progress to min(1.0, t / 500), sets power to (t + 1) ** (1.0 + 1.5 * progress), sets gains to
power / (power + 1), sets power to (t + 1) ** (0.5 + -0.5 * progress), sets losses to power / (power
+ 1), sets old to regrets, sets kept to old * losses + clamp(old, min=0.0) * (gains - losses), sets
(up, down) to ((regret > 1e-09).double(), (regret < -1e-09).double()), sets when_up to up + down *
(0.9 - 1), sets when_down to up * (0.7 - 1) + down * (1.2 - 0.25), sets excess to when_up * (old >
1e-09) - when_down * (old < -1e-09), sets regrets to kept + regret + regret * excess; `next_policy`
sets outlook to clamp(regrets + 0.5 * (regrets - smooth), min=0.0), sets smooth to 0.0928 * regrets
+ (1 - 0.0928) * smooth, sets weights to outlook * outlook, sets enough to sum(weights) > 1e-12,
returns normalise(weights * expand(enough.double())); `average_policy` returns normalise(average).
"""

import torch


class Rule:
    WARM_UP = 500
    ALPHA = 1.0
    ALPHA_SLOPE = 1.5
    BETA = 0.5
    BETA_SLOPE = -0.5
    GAMMA = 1.0
    GAMMA_SLOPE = 4.0
    UP_DOWN = 0.9
    DOWN_UP = 0.7
    DOWN_DOWN = 1.2
    NEAR_ZERO = 1e-9
    TREND = 0.5
    SMOOTHING = 0.0928
    NO_WEIGHT = 1e-12
    OFFSET = 0.25

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.smooth = infosets.zeros()

    def accumulate_average(self, t, realisation):
        weight = (t + 1) ** (self.GAMMA + self.GAMMA_SLOPE * min(1.0, t / self.WARM_UP))
        self.average = self.average * (weight / (weight + 1)) + realisation * weight

    def accumulate_regret(self, t, regret):
        progress = min(1.0, t / self.WARM_UP)
        power = (t + 1) ** (self.ALPHA + self.ALPHA_SLOPE * progress)
        gains = power / (power + 1)
        power = (t + 1) ** (self.BETA + self.BETA_SLOPE * progress)
        losses = power / (power + 1)
        old = self.regrets
        kept = old * losses + torch.clamp(old, min=0.0) * (gains - losses)
        up, down = (regret > self.NEAR_ZERO).double(), (regret < -self.NEAR_ZERO).double()
        when_up = up + down * (self.UP_DOWN - 1)
        when_down = up * (self.DOWN_UP - 1) + down * (self.DOWN_DOWN - self.OFFSET)
        excess = when_up * (old > self.NEAR_ZERO) - when_down * (old < -self.NEAR_ZERO)
        self.regrets = kept + regret + regret * excess

    def next_policy(self):
        outlook = torch.clamp(self.regrets + self.TREND * (self.regrets - self.smooth), min=0.0)
        self.smooth = self.SMOOTHING * self.regrets + (1 - self.SMOOTHING) * self.smooth
        weights = outlook * outlook
        enough = self.infosets.sum(weights) > self.NO_WEIGHT
        return self.infosets.normalise(weights * self.infosets.expand(enough.double()))

    def average_policy(self):
        return self.infosets.normalise(self.average)
