"""SPCFR+: smooth predictive CFR+, judged by its LAST iterate.

Farina et al. 2023, arXiv 2305.14709, Algorithm 2, at every infoset. Regrets, and regrets plus
prediction, are projected onto {w >= 0, sum(w) >= FLOOR} instead of {w >= 0}: far
from the origin policies change smoothly, and in two-player zero-sum games the last iterate converges (Cai
et al. 2023, arXiv 2311.00676). FLOOR is the inverse of their step size.
"""

import torch


class Rule:
    FLOOR = 0.1

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = self.FLOOR * infosets.uniform()
        self.current = infosets.uniform()

    def project(self, weights):
        """[s] -> [s]: the nearest point, by active sets (Michelot 1986) where the floor is not reached."""
        infosets = self.infosets
        inside = torch.clamp(weights, min=0.0)
        low = infosets.sum(inside) < self.FLOOR
        if not low.any():
            return inside
        active = infosets.ones()
        for _ in range(int(infosets.actions.max())):
            excess = (infosets.sum(weights * active) - self.FLOOR) / infosets.sum(active)
            shifted = weights - infosets.expand(excess)
            kept = active * (shifted > 0)
            if torch.equal(kept, active):
                break
            active = kept
        return torch.where(infosets.expand(low), torch.clamp(shifted, min=0.0), inside)

    def accumulate_average(self):
        """The current policy stands for the average."""

    def accumulate_regret(self, regret):
        self.regrets = self.project(self.regrets + regret)

    def next_policy(self, regret):
        self.current = self.infosets.normalise(self.project(self.regrets + regret))
        return self.current

    def average_policy(self):
        return self.current
