"""SHOR-PSRO (Li et al. 2026, arXiv 2602.16928, Listing 6): optimistic regret matching blended with softmax.

Training anneals the blend, the temperature and the diversity bonus over 75 epochs and plays the average;
evaluation is sharp and plays the last iterate. Regrets are taken against the mean payoff.
"""

import torch


class Rule:
    ANNEALING = 75
    MOMENTUM = 0.5
    STEPS = 1000
    MORE_STEPS = 20
    LAST_BLEND = 0.01
    LAST_TEMPERATURE = 0.001
    LAST_MOMENTUM = 0.2
    LAST_STEPS = 8000
    LAST_MORE_STEPS = 50

    def __init__(self, game):
        self.game = game
        self.regrets = game.zeros()
        self.last_gain = game.zeros()
        self.average = game.zeros()
        self.blend = 0.0
        self.temperature = 1.0
        self.bonus = 0.0
        self.momentum = 0.0

    def start(self):
        self.regrets = self.game.zeros()
        self.last_gain = self.game.zeros()
        self.average = self.game.zeros()

    def train(self, epoch):
        progress = min(1.0, epoch / self.ANNEALING)
        self.blend = 0.3 * (1 - progress) + 0.05 * progress
        self.temperature = 0.5 * (1 - progress) + 0.01 * progress
        self.bonus = 0.05 * (1 - progress) + 0.001 * progress
        self.momentum = self.MOMENTUM
        self.start()
        self.game.repeat(self.step, min(5000, self.STEPS + self.MORE_STEPS * (epoch - 1)))
        return self.game.normalise(self.average)

    def evaluate(self, epoch):
        self.blend = self.LAST_BLEND
        self.temperature = self.LAST_TEMPERATURE
        self.bonus = 0.0
        self.momentum = self.LAST_MOMENTUM
        self.start()
        return self.game.repeat(self.step, min(15000, self.LAST_STEPS + self.LAST_MORE_STEPS * (epoch - 1)))

    def step(self, payoff, strategy):
        gain = payoff - self.game.expand(self.game.mean(payoff))
        push = (1 + self.momentum) * gain - self.momentum * self.last_gain + self.bonus * (1 - strategy)
        size = self.game.expand(self.game.max(torch.abs(push)))
        push = push / torch.where(size > 1e-8, size, 1.0)
        self.regrets = torch.clamp(self.regrets + push, min=0.0)
        self.last_gain = gain
        softened = self.game.softmax(payoff / self.temperature)
        new = (1 - self.blend) * self.game.normalise(self.regrets) + self.blend * softened
        self.average = self.average + new
        return new
