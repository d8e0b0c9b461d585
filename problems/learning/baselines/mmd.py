"""Magnetic mirror descent (Sokota et al. 2023), as a deep learning rule: a proximal term towards the last
policy and a magnet, the uniform policy, so that the last iterate approaches an equilibrium of a two-player
zero-sum game.

It does so where a step is short beside the magnet's pull (their Theorem 3.4), in units of standardised
advantages. So pull and step fade together, as the inverse root of the iteration; a magnet that fades alone
lets the policies circle outwards.
"""

import torch


class Rule:
    DISCOUNT = 1.0
    TRACE = 0.95
    MAGNET = 2.0
    NEAR = 2.0

    def __init__(self, batch):
        self.batch = batch

    def advantages(self, rewards, old_values, next_values, dones):
        errors = rewards + self.DISCOUNT * (1 - dones) * next_values - old_values
        return self.batch.accumulate(errors, dones, self.DISCOUNT * self.TRACE)

    def policy_loss(self, log_probability, old_log_probability, advantage, entropy, divergence, t):
        ratio = torch.exp(log_probability - old_log_probability)
        gain = self.batch.standardise(advantage)
        return -ratio * gain - self.MAGNET / t**0.5 * entropy + self.NEAR * t**0.5 * divergence

    def value_loss(self, values, returns):
        return 0.5 * torch.square(values - returns)
