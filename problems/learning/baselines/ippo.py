"""Independent PPO (de Witt et al. 2020): clipped ratios (Schulman et al. 2017), generalised advantages."""

import torch


class Rule:
    DISCOUNT = 0.99
    TRACE = 0.95
    CLIP = 0.2
    EXPLORATION = 0.01

    def __init__(self, batch):
        self.batch = batch

    def advantages(self, rewards, old_values, next_values, dones):
        errors = rewards + self.DISCOUNT * (1 - dones) * next_values - old_values
        return self.batch.accumulate(errors, dones, self.DISCOUNT * self.TRACE)

    def policy_loss(self, log_probability, old_log_probability, advantage, entropy):
        gain = self.batch.standardise(advantage)
        ratio = torch.exp(log_probability - old_log_probability)
        near = torch.clamp(ratio, min=1 - self.CLIP, max=1 + self.CLIP)
        return -torch.minimum(ratio * gain, near * gain) - self.EXPLORATION * entropy

    def value_loss(self, values, returns):
        return 0.5 * torch.square(values - returns)
