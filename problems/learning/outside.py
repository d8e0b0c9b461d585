"""Runs an exported training script on PettingZoo environments, in a process that holds nothing of ours: this
file's text is executed there, so it imports nothing of ours either."""

from __future__ import annotations

import argparse  # noqa: F401 - what the exported file imports must be loaded before the process is confined
import ast  # noqa: F401
import dataclasses  # noqa: F401
import importlib
import inspect  # noqa: F401
import math  # noqa: F401
import sys
import tempfile
import time  # noqa: F401
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium.spaces.utils  # noqa: F401
import numpy as np
import torch


def prepare(games: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What makes each environment and how it is trained on; and everything loaded that a run needs."""
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()
    loaded = {}
    for name, told in games.items():
        module, _, function = told["entry"].partition(":")
        with tempfile.TemporaryDirectory() as folder:
            for path, text in told["files"].items():
                file = Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            sys.path.insert(0, folder)
            make = partial(getattr(importlib.import_module(module), function), **told["arguments"])
            one = make()
            if hasattr(one, "agent_iter"):
                sys.exit(f"{name} goes by turns; the script trains on parallel environments alone.")
            seen, infos = one.reset(seed=0)
            spaces = {agent: one.action_space(agent) for agent in one.agents}
            one.step({agent: legal(spaces[agent], seen[agent], infos.get(agent)) for agent in spaces})
            sys.path.remove(folder)
        loaded[name] = make, told["plan"]
    return loaded


def legal(space: Any, seen: Any, info: Any) -> Any:
    """An action that an agent may take which is shown this."""
    told = seen if isinstance(seen, dict) and "action_mask" in seen else info or {}
    if (mask := told.get("action_mask")) is None:
        return space.sample()
    first = int(np.flatnonzero(mask)[0])
    if hasattr(space, "nvec"):
        number = np.unravel_index(first, space.nvec.ravel())
        return np.array(number, space.dtype).reshape(space.nvec.shape)
    return first + int(space.start)


def measure(exported: dict[str, Any], game: Any, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Mean rewards of every batch, norms of every epoch's gradients, and the return at the end."""
    make, plan = game
    options = {name: plan[name] for name in ("steps", "copies", "episodes")}
    training = exported["Training"](make, exported["Options"](seed=settings["first"], **options))
    found: dict[str, list[float]] = {"rewards": [], "gradients": []}
    for _ in range(settings["iterations"]):
        training.iterate()
        found["rewards"] += training.rewards
        found["gradients"] += training.gradients
    return {**found, "return": [training.judge()]}
