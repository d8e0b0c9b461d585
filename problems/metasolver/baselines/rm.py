"""Regret matching on the meta-game (Hart and Mas-Colell 2000), time averages; OpenSpiel's, 10,000 steps.

The setting of Li et al. 2026 (arXiv 2602.16928): all players at once, exploration GAMMA.
"""


class Rule:
    STEPS = 10000
    GAMMA = 1e-6

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.average = game.zeros()

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        self.regrets = self.GAMMA * self.game.ones()
        self.average = self.game.uniform()
        self.game.repeat(self.step, self.STEPS, alternating=False)
        return self.game.normalise(self.average)

    def step(self, payoff, strategy):
        self.regrets = self.regrets + payoff - self.game.expand(self.game.sum(payoff * strategy))
        new = (1 - self.GAMMA) * self.game.normalise(self.regrets) + self.GAMMA * self.game.uniform()
        self.average = self.average + new
        return new
