"""Distilled VAD: what carries VAD-CFR (Li et al. 2026, arXiv 2602.16928v2) and no more. This form is ours.

Left out, since it hardly changed results: adaptation to volatility, the boost of positive regrets, the
cap, and weights by regret size. What stays: fixed discounts, fading optimism, the power 1.5, and a late
start of averaging. The third version of that paper distils VAD-CFR too (WOP-CFR); its definition was not
found, and this is not it.
"""

import torch


class Rule:
    ALPHA = 1.5
    BETA = -0.1
    OPTIMISM_DECAY = 100.0
    GAMMA = 2.0
    WARM_UP = 500

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        if t >= self.WARM_UP:
            self.average.add_(realisation, alpha=(t + 1) ** self.GAMMA)

    def discounted(self, t):
        gains = t**self.ALPHA / (t**self.ALPHA + 1)
        losses = t**self.BETA / (t**self.BETA + 1)
        return (self.regrets * losses).add_(torch.clamp(self.regrets, min=0.0), alpha=gains - losses)

    def accumulate_regret(self, t, regret):
        self.regrets = self.discounted(t + 1) + regret

    def next_policy(self, t, regret):
        outlook = torch.add(self.discounted(t + 1), regret, alpha=1 / (1 + t / self.OPTIMISM_DECAY))
        positive = torch.clamp(outlook, min=0.0)
        return self.infosets.normalise(positive * torch.sqrt(positive))

    def average_policy(self):
        return self.infosets.normalise(self.average)
