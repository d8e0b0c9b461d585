"""Independent policy gradient: REINFORCE (Williams 1992) with a learned baseline, one step per batch."""

import torch


class Rule:
    DISCOUNT = 0.99
    EXPLORATION = 0.01

    def __init__(self, batch):
        self.batch = batch

    def advantages(self, rewards, old_values, next_values, dones):
        errors = rewards + self.DISCOUNT * (1 - dones) * next_values - old_values
        return self.batch.accumulate(errors, dones, self.DISCOUNT)

    def policy_loss(self, log_probability, advantage, entropy, epoch):
        if epoch > 1:
            return self.batch.zeros()
        return -log_probability * self.batch.standardise(advantage) - self.EXPLORATION * entropy

    def value_loss(self, values, returns):
        return 0.5 * torch.square(values - returns)
