"""A game of the user's own for problem *metasolver*."""

from __future__ import annotations

import numpy as np

from problems.brought import Brought
from problems.games import bring as games
from problems.games.layout import arrange
from problems.games.psro import Population
from problems.games.tables import Tables
from problems.metasolver.referee import largest_population
from problems.metasolver.score import CHECKPOINTS

LIMIT = 150.0
"""Seconds that an evaluation may be estimated at; the sandbox ends a program at 180."""
SOLVING = 0.02
"""Seconds that a solver of usual length takes per epoch."""


def bring(text: str) -> Brought:
    """OpenSpiel string or Gambit file, validated. Raises ``problems.games.GameError``."""
    return games.bring(text, seconds, LIMIT)


def seconds(tables: Tables) -> float:
    """An evaluation: best responses against uniform mixtures as timed here, and the solver's own time."""
    game = arrange(tables)
    epochs = min(CHECKPOINTS[-1], largest_population(game.players))
    population = Population(game, epochs)

    def epoch() -> None:
        weights = np.full((game.players, population.size), 1.0 / population.size)
        population.grow(population.mixture(weights))

    return games.clock(epoch, epochs) + SOLVING * epochs
