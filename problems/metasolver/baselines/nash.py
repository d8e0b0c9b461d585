"""Nash (double oracle; McMahan, Gordon and Blum 2003): maximin mixtures by linear programming.

With more than two players there is no such program: there, time averages of regret matching+.
"""

import torch


class Rule:
    STEPS = 1000

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.average = game.zeros()

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        if self.game.players == 2:
            return self.game.nash()
        self.regrets = self.game.zeros()
        self.average = self.game.zeros()
        self.game.repeat(self.step, self.STEPS)
        return self.game.normalise(self.average)

    def step(self, t, payoff, strategy):
        gain = payoff - self.game.expand(self.game.sum(payoff * strategy))
        self.regrets = torch.clamp(self.regrets + gain, min=0.0)
        new = self.game.normalise(self.regrets)
        self.average = self.average + t * new
        return new
