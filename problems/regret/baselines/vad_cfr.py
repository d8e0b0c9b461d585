"""VAD-CFR: volatility-adaptive discounted CFR (Li et al. 2026, arXiv 2602.16928v2, Listing 5).

A moving average of the largest regret at an infoset, its volatility, sets how fast regrets are forgotten
and how far the last regret is trusted; policies go with the power 1.5 of what is positive; averaging
starts at iteration 500.

The listing's one moving average runs over all infosets in the order of the game's tree, which a rule cannot
know; here each infoset has its own. Updates are the textbook's: only the learner's infosets, once per
iteration.
"""

import math

import torch


class Rule:
    ALPHA = 1.5
    BETA = -0.1
    SENSITIVITY = 0.5
    SMOOTHING = 0.1
    LARGEST_REGRET = 2.0
    BOOST = 1.1
    CAP = 20.0
    OPTIMISM_DECAY = 100.0
    GAMMA = 2.0
    GAMMA_SLOPE = 1.5
    GAMMA_MAX = 4.0
    WARM_UP = 500

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.magnitude = infosets.sum(infosets.zeros())
        self.volatility = infosets.sum(infosets.zeros())

    def accumulate_average(self, t, realisation, regret):
        if t < self.WARM_UP:
            return
        largest = self.infosets.max(torch.abs(regret))
        half = largest / self.LARGEST_REGRET
        gamma = torch.clamp(self.GAMMA + self.GAMMA_SLOPE * torch.clamp(half, max=1.0), max=self.GAMMA_MAX)
        weight = torch.exp(gamma * math.log(t + 1)) / (1 + largest * torch.sqrt(largest))
        weight = weight * torch.sqrt(1 + half)
        self.average += realisation * self.infosets.expand(weight)

    def discounted(self, t):
        """Regrets [s], each times t^x / (t^x + 1), x by its sign and the infoset's volatility."""
        alpha = torch.clamp(self.ALPHA - self.SENSITIVITY * self.volatility, min=0.1)
        beta = self.BETA - self.SENSITIVITY * self.volatility
        gains = self.infosets.expand(torch.sigmoid(alpha * math.log(t)))
        losses = self.infosets.expand(torch.sigmoid(beta * math.log(t)))
        return self.regrets * losses + torch.clamp(self.regrets, min=0.0) * (gains - losses)

    def boosted(self, regret):
        return torch.add(regret, torch.clamp(regret, min=0.0), alpha=self.BOOST - 1)

    def accumulate_regret(self, t, regret):
        largest = self.infosets.max(torch.abs(regret))
        self.magnitude = self.SMOOTHING * largest + (1 - self.SMOOTHING) * self.magnitude
        self.volatility = torch.clamp(self.magnitude / self.LARGEST_REGRET, max=1.0)
        self.regrets = torch.clamp(self.discounted(t + 1) + self.boosted(regret), min=-self.CAP)

    def next_policy(self, t, regret):
        optimism = (1 - self.SENSITIVITY * self.volatility) / (1 + t / self.OPTIMISM_DECAY)
        outlook = self.discounted(t + 1) + self.boosted(regret) * self.infosets.expand(optimism)
        positive = torch.clamp(outlook, min=0.0)
        return self.infosets.normalise(positive * torch.sqrt(positive))

    def average_policy(self):
        return self.infosets.normalise(self.average)
