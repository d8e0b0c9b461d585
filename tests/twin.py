"""A game twice: in our arrays and in OpenSpiel's, with policies carried from one to the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyspiel

from problems.games.compile import Compiler, load
from problems.games.layout import Game, arrange


class Twin:
    def __init__(self, name: str, seed: int | None = None) -> None:
        self.spiel = load(name)
        compiler = Compiler(self.spiel)
        self.tables = compiler.tables()
        self.labels = compiler.labels
        self.game: Game = arrange(self.tables, seed)
        self._offsets = np.concatenate(([0], np.cumsum(self.tables.infoset_actions)))

    def entries(self, infoset: int) -> np.ndarray:
        """Our policy entries of an infoset of the tables, in the order of its legal actions."""
        return self.game.order[self._offsets[infoset] : self._offsets[infoset + 1]]

    def to_openspiel(self, policy: np.ndarray) -> pyspiel.TabularPolicy:
        return pyspiel.TabularPolicy(
            {
                infostate: [
                    (a, float(policy[entry])) for a, entry in zip(actions, self.entries(i), strict=True)
                ]
                for labels in self.labels
                for infostate, (i, actions) in labels.items()
            }
        )

    def from_openspiel(self, policy: Any) -> np.ndarray:
        """[S] of anything with ``get_state_policy(infostate) -> [(action, probability)]``."""
        ours = np.empty(self.game.entries)
        for labels in self.labels:
            for infostate, (infoset, _) in labels.items():
                ours[self.entries(infoset)] = [probability for _, probability in policy(infostate)]
        return ours

    def random_policy(self, seed: int) -> np.ndarray:
        """[S], some infosets nearly pure and some mixed."""
        weights = np.random.default_rng(seed).exponential(size=self.game.entries) ** 3
        sizes = np.diff(self.game.layout.first)
        infoset = np.repeat(np.arange(self.game.infosets), sizes)
        return weights / np.bincount(infoset, weights)[infoset]
