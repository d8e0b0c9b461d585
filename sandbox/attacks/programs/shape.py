"""Must not score with a policy of another shape."""

import torch


class Rule:
    def __init__(self, actions):
        self.policy = torch.ones(actions + 1) / (actions + 1)

    def next_policy(self, values):
        return self.policy
