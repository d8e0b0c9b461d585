"""SAPCFR+: PCFR+ that trusts its prediction by a third.

Meng et al. 2025, arXiv 2503.12770v2, equation 4 with alpha = 2, known here through accounts of it that agree.
"""

import torch


class Rule:
    ASYMMETRY = 2.0
    GAMMA = 2.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t**self.GAMMA)

    def accumulate_regret(self, regret):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self, regret):
        return self.infosets.normalise(torch.add(self.regrets, regret, alpha=1 / (1 + self.ASYMMETRY)))

    def average_policy(self):
        return self.infosets.normalise(self.average)
