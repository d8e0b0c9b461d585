"""Uniform: every strategy alike, in training (fictitious play on best responses) and evaluation."""


class Rule:
    def __init__(self, game):
        self.game = game

    def train(self):
        return self.game.uniform()

    def evaluate(self):
        return self.game.uniform()
