"""The candidate half of the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class Invalid(Exception):
    """What the program returned cannot be handed over."""

    status = "invalid"


def serve(
    program: dict[str, Any], setup: dict[str, Any], arrays: dict[str, np.ndarray]
) -> list[Callable[[], object]]:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    players = [program["Rule"](actions) for actions in setup["actions"]]

    def step(p: int) -> None:
        policy = players[p].next_policy(tensors[f"values{p}"].clone())
        if policy.shape != tensors[f"policy{p}"].shape:
            raise Invalid(f"next_policy returned shape {tuple(policy.shape)}, not ({setup['actions'][p]},)")
        tensors[f"policy{p}"].copy_(policy)

    return [lambda: step(0), lambda: step(1)]
