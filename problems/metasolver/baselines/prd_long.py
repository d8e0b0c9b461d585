"""Projected replicator dynamics (Lanctot et al. 2017), time averages, with steps large enough to arrive.

2,000 steps of DT = 0.1 are two hundred units of time.
"""


class Rule:
    STEPS = 2000
    DT = 0.1
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
