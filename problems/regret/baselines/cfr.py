"""CFR: counterfactual regret minimisation (Zinkevich et al. 2007, eqs. 7 and 8)."""


class Rule:
    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()

    def accumulate_average(self, realisation):
        self.average += realisation

    def accumulate_regret(self, regret):
        self.regrets += regret

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
