"""Regret matching+ (Tammelin 2014) on the meta-game, in turns, linear averages: 500 steps go far."""

import torch


class Rule:
    STEPS = 500

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.average = game.zeros()

    def train(self):
        return self.solve()

    def evaluate(self):
        return self.solve()

    def solve(self):
        self.regrets = self.game.zeros()
        self.average = self.game.zeros()
        self.game.repeat(self.step, self.STEPS)
        return self.game.normalise(self.average)

    def step(self, t, payoff, strategy):
        gain = payoff - self.game.expand(self.game.sum(payoff * strategy))
        self.regrets = torch.clamp(self.regrets + gain, min=0.0)
        new = self.game.normalise(self.regrets)
        self.average = torch.add(self.average, new, alpha=t)
        return new
