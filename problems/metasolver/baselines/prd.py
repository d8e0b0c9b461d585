"""Projected replicator dynamics (Lanctot et al. 2017), time averages, as evaluated by Li et al. 2026.

10,000 steps of DT = 0.001 are ten units of time: far from converged.
"""


class Rule:
    STEPS = 10000
    DT = 1e-3
    FLOOR = 1e-6

    def __init__(self, game):
        self.game = game
        self.average = game.zeros()

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        self.average = self.game.uniform()
        self.game.repeat(self.step, self.STEPS, alternating=False)
        return self.game.normalise(self.average)

    def step(self, payoff, strategy):
        gain = payoff - self.game.expand(self.game.sum(payoff * strategy))
        new = self.game.project(strategy + self.DT * strategy * gain, self.FLOOR)
        self.average = self.average + new
        return new
