"""What we kept of SHOR-PSRO (Li et al. 2026): regret matching+ that leans to best replies while it trains.

Gains over the mean payoff, linear averages for training and evaluation; in training a softmax of the payoffs
is blended in, less and less over ANNEALING epochs. Without momentum, normalised gains, diversity bonus,
growing steps or a last iterate.
"""

import torch


class Rule:
    STEPS = 1000
    ANNEALING = 75
    BLEND, LAST_BLEND = 0.3, 0.05
    TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.01

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.average = game.zeros()
        self.blend = 0.0
        self.temperature = 1.0

    def train(self, epoch):
        left = max(0.0, 1.0 - epoch / self.ANNEALING)
        self.blend = self.LAST_BLEND + (self.BLEND - self.LAST_BLEND) * left
        self.temperature = self.LAST_TEMPERATURE + (self.TEMPERATURE - self.LAST_TEMPERATURE) * left
        return self.solve()

    def evaluate(self):
        self.blend = 0.0
        return self.solve()

    def solve(self):
        self.regrets = self.game.zeros()
        self.average = self.game.zeros()
        self.game.repeat(self.step, self.STEPS)
        return self.game.normalise(self.average)

    def step(self, t, payoff):
        gain = payoff - self.game.expand(self.game.mean(payoff))
        self.regrets = torch.clamp(self.regrets + gain, min=0.0)
        softened = self.game.softmax(payoff / self.temperature)
        new = (1 - self.blend) * self.game.normalise(self.regrets) + self.blend * softened
        self.average = self.average + t * new
        return new
