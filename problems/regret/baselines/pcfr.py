"""PCFR: predictive (optimistic) CFR (Farina, Kroer and Sandholm 2021, arXiv 2007.14358).

CFR whose policy counts the last regret twice: it predicts the next. Quadratic averaging.
"""


class Rule:
    GAMMA = 2.0

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average.add_(realisation, alpha=t**self.GAMMA)

    def accumulate_regret(self, regret):
        self.regrets += regret

    def next_policy(self, regret):
        return self.infosets.normalise(self.regrets + regret)

    def average_policy(self):
        return self.infosets.normalise(self.average)
