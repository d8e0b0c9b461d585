"""Multi-agent PPO (Yu et al. 2022): as IPPO, with a critic that sees what all agents see, where that is
allowed."""

import torch


class Rule:
    DISCOUNT = 0.99
    TRACE = 0.95
    CLIP = 0.2
    EXPLORATION = 0.01

    def __init__(self, batch):
        self.batch = batch

    def advantages(self, rewards, old_central_values, next_central_values, dones):
        errors = rewards + self.DISCOUNT * (1 - dones) * next_central_values - old_central_values
        return self.batch.accumulate(errors, dones, self.DISCOUNT * self.TRACE)

    def policy_loss(self, log_probability, old_log_probability, advantage, entropy):
        gain = self.batch.standardise(advantage)
        ratio = torch.exp(log_probability - old_log_probability)
        near = torch.clamp(ratio, min=1 - self.CLIP, max=1 + self.CLIP)
        return -torch.minimum(ratio * gain, near * gain) - self.EXPLORATION * entropy

    def value_loss(self, central_values, advantage, old_central_values):
        return 0.5 * torch.square(central_values - advantage - old_central_values)
