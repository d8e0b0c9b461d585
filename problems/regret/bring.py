"""A game of the user's own for problem *regret*."""

from __future__ import annotations

import numpy as np

from problems.brought import Brought
from problems.games import bring as games
from problems.games import engine
from problems.games.layout import arrange
from problems.games.tables import Tables
from problems.regret.score import HORIZON

LIMIT = 50.0
"""Seconds that an evaluation may be estimated at; the sandbox ends a program at 60."""
OPERATIONS = 1e-4
"""Seconds that a rule of usual length spends in PyTorch per player and iteration, however small the game."""


def bring(text: str) -> Brought:
    """OpenSpiel string or Gambit file, validated. Raises ``problems.games.GameError``."""
    return games.bring(text, seconds, LIMIT)


def seconds(tables: Tables) -> float:
    """An evaluation: the engine's share as timed here, as much again for a rule's own arrays."""
    game = arrange(tables)
    state, exchange = engine.new_state(game), np.zeros(engine.exchange_size(game))

    def iteration() -> None:
        for player in range(game.players):
            engine.step(game.integers, game.numbers, state, exchange, -1, player)

    return 2 * games.clock(iteration, HORIZON) + OPERATIONS * HORIZON * game.players
