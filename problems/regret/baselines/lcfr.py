"""LCFR: iteration t counts t times, in regrets and in the average (Brown and Sandholm 2019, section 3).

Written as DCFR(1, 1, 1): what is already there shrinks by t / (t + 1), which keeps numbers small.
"""


class Rule:
    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t)

    def accumulate_regret(self, t, regret):
        self.regrets = (self.regrets + regret) * (t / (t + 1))

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
