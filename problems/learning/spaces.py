"""Spaces of a user's agents: how what they see becomes vectors, numbers their actions, and who is alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from problems.brought import BroughtError

MOST_ACTIONS = 256


def kinds(names: Sequence[str], spaces: Sequence[str]) -> list[str]:
    """Per agent its kind: agents whose names differ in a number alone, and whose spaces are equal, share a
    network."""
    return [f"{name.rstrip('0123456789')}{space}" for name, space in zip(names, spaces, strict=True)]


def mark(kinds: Sequence[str], i: int) -> np.ndarray:
    """Which of the agents of its kind agent i is."""
    alike = [j for j, kind in enumerate(kinds) if kind == kinds[i]]
    return np.eye(len(alike), dtype=np.float32)[alike.index(i)] if len(alike) > 1 else np.zeros(0, np.float32)


class Space:
    """How one agent's observations become vectors, and numbers become its actions. Raises BroughtError."""

    def __init__(self, environment: Any, name: str) -> None:
        from gymnasium import spaces
        from gymnasium.spaces.utils import flatdim

        observation, action = environment.observation_space(name), environment.action_space(name)
        self.masked = isinstance(observation, spaces.Dict) and "action_mask" in observation.spaces
        self.shown = observation["observation"] if self.masked else observation
        try:
            self.size = int(flatdim(self.shown))
        except (NotImplementedError, ValueError) as error:
            raise BroughtError(
                f"The observations of {name} have no fixed length ({self.shown}): {error}"
            ) from None
        self.space = action
        self.continuous = isinstance(action, spaces.Box)
        if self.continuous:
            if not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
                raise BroughtError(
                    f"The actions of {name} have no bounds ({action}); give its Box finite ones."
                )
            self.actions = int(np.prod(action.shape))
        elif isinstance(action, spaces.Discrete):
            self.actions = int(action.n)
        elif isinstance(action, spaces.MultiDiscrete) and np.prod(action.nvec) <= MOST_ACTIONS:
            self.actions = int(np.prod(action.nvec))
        else:
            raise BroughtError(
                f"The actions of {name} are {action}; Discrete, bounded Box, and MultiDiscrete of at most "
                f"{MOST_ACTIONS} combinations can be learnt."
            )
        self.kind = f" {self.size} {action}"

    def flat(self, seen: Any, name: str) -> np.ndarray:
        from gymnasium.spaces.utils import flatten

        shown = seen["observation"] if self.masked else seen
        made = np.asarray(flatten(self.shown, shown), np.float32)
        if made.shape != (self.size,):
            raise BroughtError(f"An observation of {name} has {made.size} numbers, its space {self.size}.")
        if not np.isfinite(made).all():
            raise BroughtError(f"An observation of {name} is not finite.")
        return made

    def confine(self, seen: Any, name: str) -> None:
        """Raises BroughtError where numbers lie outside the bounds that the space names."""
        from gymnasium.spaces import Box

        shown = seen["observation"] if self.masked else seen
        if isinstance(self.shown, Box) and np.shape(shown) == self.shown.shape:
            outside = (np.asarray(shown) < self.shown.low) | (np.asarray(shown) > self.shown.high)
            if outside.any():
                where = tuple(int(i) for i in np.argwhere(outside)[0])
                raise BroughtError(
                    f"An observation of {name} is {np.asarray(shown)[where]:g} at {list(where)}, outside its "
                    f"space, which goes from {self.shown.low[where]:g} to {self.shown.high[where]:g} there."
                )

    def mask(self, seen: Any, info: Any, name: str) -> np.ndarray:
        """Legal actions [A]. Raises BroughtError where none is."""
        given = seen["action_mask"] if self.masked else (info or {}).get("action_mask")
        legal = np.ones(self.actions, bool) if given is None else np.asarray(given).ravel().astype(bool)
        if legal.shape != (self.actions,):
            raise BroughtError(
                f"An action mask of {name} has {legal.size} entries for {self.actions} actions."
            )
        if not legal.any():
            raise BroughtError(f"An action mask leaves {name} without any action when it is to act.")
        return legal

    def action(self, number: Any) -> Any:
        if self.continuous:
            low, high = self.space.low, self.space.high
            scaled = low + (np.clip(number, -1.0, 1.0).reshape(low.shape) + 1.0) / 2.0 * (high - low)
            return scaled.astype(self.space.dtype)
        if hasattr(self.space, "nvec"):
            return np.array(np.unravel_index(int(number), self.space.nvec.ravel()), self.space.dtype).reshape(
                self.space.nvec.shape
            )
        return int(number) + int(self.space.start)
