"""Must not score with negative probabilities that sum to one."""

import torch


class Rule:
    def __init__(self, actions):
        self.policy = torch.zeros(actions)
        self.policy[0], self.policy[1] = 2.0, -1.0

    def next_policy(self, values):
        return self.policy
