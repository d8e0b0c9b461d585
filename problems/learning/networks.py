"""Small networks for many seeds at once: every weight has a leading seed dimension, every layer is one
call."""

from __future__ import annotations

from collections.abc import Iterable

import torch

HIDDEN = 64
CLIP = 0.5
"""Largest norm of a seed's gradient of one network."""


class Network:
    """Two hidden layers of tanh: [S, M, inputs] -> [S, M, outputs].

    Args:
        seeds: one network per seed, initialised by it alone.
        gain: scale of the last layer's initial weights.
        extra: further free parameters per seed (logarithms of standard deviations).
    """

    def __init__(
        self,
        seeds: Iterable[int],
        inputs: int,
        outputs: int,
        gain: float,
        device: torch.device,
        extra: int = 0,
    ) -> None:
        sizes = ((inputs, HIDDEN, 2**0.5), (HIDDEN, HIDDEN, 2**0.5), (HIDDEN, outputs, gain))
        stacks: list[list[torch.Tensor]] = [[] for _ in sizes]
        seeds = list(seeds)
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            for stack, (rows, columns, scale) in zip(stacks, sizes, strict=True):
                stack.append(_orthogonal(rows, columns, scale, generator))
        weights = [torch.stack(stack) for stack in stacks]
        biases = [torch.zeros(len(seeds), 1, columns) for _, columns, _ in sizes]
        self.extra = torch.full((len(seeds), 1, extra), -0.5, device=device, requires_grad=True)
        self.weights = [w.to(device).requires_grad_() for w in weights]
        self.biases = [b.to(device).requires_grad_() for b in biases]

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [*self.weights, *self.biases, *([self.extra] if self.extra.numel() else [])]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.tanh(torch.baddbmm(bias, x, weight))
        x = torch.baddbmm(self.biases[-1], x, self.weights[-1])
        if self.extra.numel():
            x = torch.cat([x, self.extra.expand(-1, x.shape[1], -1)], -1)
        return x

    def clip(self) -> None:
        """Scale every seed's gradient to norm ``CLIP`` at most, each by its own."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if gradients:
            square = sum((g.flatten(1) ** 2).sum(1) for g in gradients)
            scale = (CLIP / (torch.as_tensor(square).sqrt() + 1e-8)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(scale[:, None, None])


def _orthogonal(rows: int, columns: int, gain: float, generator: torch.Generator) -> torch.Tensor:
    """[rows, columns] with orthonormal columns or rows, times ``gain`` (Saxe et al. 2014)."""
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q, r = torch.linalg.qr(tall)
    q = q * torch.sign(torch.diagonal(r))
    return gain * (q if rows >= columns else q.T).contiguous()
