"""AOD-CFR (Li et al. 2026, arXiv 2602.16928v2, Listing 7) with textbook updates.

Over the first 500 iterations the exponents of discounting and averaging grow; new regrets are scaled by
their sign and that of the regret they join; the policy follows the trend of regrets against their moving
average, squared. Updates are the textbook's: only the learner's infosets, once per iteration.
"""

import torch


class Rule:
    WARM_UP = 523
    ALPHA = 1.355
    ALPHA_SLOPE = 0.7197
    BETA = 0.4222
    BETA_SLOPE = -0.4348
    GAMMA = 0.984
    GAMMA_SLOPE = 2.428
    UP_UP = 1.275
    UP_DOWN = 0.8082
    DOWN_UP = 0.776
    DOWN_DOWN = 1.361
    NEAR_ZERO = 1e-9
    TREND = 0.7612
    SMOOTHING = 0.08823
    NO_WEIGHT = 1e-12

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
        when_up = up * (self.UP_UP - 1) + down * (self.UP_DOWN - 1)
        when_down = up * (self.DOWN_UP - 1) + down * (self.DOWN_DOWN - 1)
        excess = when_up * (old > self.NEAR_ZERO) + when_down * (old < -self.NEAR_ZERO)
        self.regrets = kept + regret + regret * excess

    def next_policy(self):
        outlook = torch.clamp(self.regrets + self.TREND * (self.regrets - self.smooth), min=0.0)
        self.smooth = self.SMOOTHING * self.regrets + (1 - self.SMOOTHING) * self.smooth
        weights = outlook * outlook
        enough = self.infosets.sum(weights) > self.NO_WEIGHT
        return self.infosets.normalise(weights * self.infosets.expand(enough.double()))

    def average_policy(self):
        return self.infosets.normalise(self.average)
