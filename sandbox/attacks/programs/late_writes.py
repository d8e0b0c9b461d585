"""Must not have a policy counted that the referee did not check: answers early, then writes on and on.

A policy of zeros would count as unexploitable.
"""

import os

import torch


class Rule:
    def __init__(self, actions):
        self.uniform = torch.ones(actions) / actions

    def next_policy(self, values):
        import gc

        shared = [
            x for x in gc.get_objects() if isinstance(x, torch.Tensor) and x.shape == self.uniform.shape
        ]
        for tensor in shared:
            tensor.copy_(self.uniform)
        print("tried")
        os.write(4, b".")
        for _ in range(2000):
            for tensor in shared:
                tensor.zero_()
                tensor.copy_(self.uniform)
        return self.uniform
