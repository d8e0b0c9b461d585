"""Payoff tensors as the machine wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

SAMPLE, EXACT = 400, 1e-12
"""Columns that a compression is made from; relative error of any payoff above which it is not used."""


def tables(payoffs: Sequence[np.ndarray]) -> Any:
    """The payoffs as the compiled loops want them; tensors of three and more players are compressed."""
    players, counts = len(payoffs), np.array(payoffs[0].shape)
    factors: list[np.ndarray] = []
    cores = list(payoffs)
    if players > 2 and all(np.isfinite(tensor).all() for tensor in payoffs):
        found = [_skeleton(payoffs, axis) for axis in range(players)]
        pivots = np.ix_(*(rows for rows, _ in found))
        cores, factors = [tensor[pivots] for tensor in payoffs], [factor for _, factor in found]
        if not all(_matches(core, factors, tensor) for core, tensor in zip(cores, payoffs, strict=True)):
            cores, factors = list(payoffs), []
    flat = [np.moveaxis(core, player, 0).ravel() for player, core in enumerate(cores)]
    sizes = [0, *np.cumsum([len(core) for core in flat])[:-1]]
    starts = np.cumsum([0, *(factor.size for factor in factors)])[:-1] if factors else np.full(players, -1)
    return (
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        np.array(cores[0].shape, dtype=np.int64),
        np.concatenate([*(factor.ravel() for factor in factors), np.zeros(1)]),
        np.array(starts, dtype=np.int64),
        np.concatenate(flat),
        np.array(sizes, dtype=np.int64),
    )


def _skeleton(payoffs: Sequence[np.ndarray], axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A skeleton of a player's strategies: (pivots [r], factor [n, r]).

    Payoffs against anything of strategy i are those of the pivots, weighted by row i of the factor: in a
    small game a large population spans few dimensions. Greedy, on a sample of the columns.
    """
    slices = [np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1) for tensor in payoffs]
    pick = np.linspace(0, slices[0].shape[1] - 1, min(SAMPLE, slices[0].shape[1])).astype(int)
    rest = np.concatenate([part[:, pick] for part in slices], axis=1)
    pivots: list[int] = []
    shares: list[np.ndarray] = []
    size = np.einsum("ij,ij->i", rest, rest)
    limit = 1e-26 * max(float(size.max()), 1e-300)
    while size.max() > limit and len(pivots) < len(rest):
        pivots.append(int(size.argmax()))
        direction = rest[pivots[-1]] / math.sqrt(size[pivots[-1]])
        shares.append(rest @ direction)  # of every strategy along the pivot's new direction
        rest -= np.outer(shares[-1], direction)
        size = np.einsum("ij,ij->i", rest, rest)
    if not pivots:
        return np.array([0]), np.ones((len(rest), 1))
    along = np.array(shares)  # [r, n]; its columns at the pivots are triangular
    return np.array(pivots), np.ascontiguousarray(np.linalg.solve(along[:, pivots], along).T)


def _matches(core: np.ndarray, factors: Sequence[np.ndarray], tensor: np.ndarray) -> bool:
    """Is the tensor what its skeleton says, to rounding?"""
    for factor in factors:
        core = np.tensordot(core, factor, axes=(0, 1))
    return bool(np.abs(core - tensor).max() <= EXACT * max(float(np.abs(tensor).max()), 1e-300))
