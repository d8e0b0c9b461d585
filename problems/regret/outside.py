"""Runs an exported rule inside OpenSpiel, in a process that holds nothing of ours: this file's text is
executed there, so it imports nothing of ours either."""

from __future__ import annotations

import argparse  # noqa: F401 - what the exported file imports must be loaded before the process is confined
import inspect  # noqa: F401
from typing import Any

import pyspiel
import torch
from open_spiel.python import policy
from open_spiel.python.algorithms import exploitability


def prepare(games: dict[str, str]) -> dict[str, Any]:
    """OpenSpiel's games, and everything loaded that a run needs."""
    torch.set_num_threads(1)
    loaded = {}
    for name, string in games.items():
        game = pyspiel.load_game(string)
        if game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
            game = pyspiel.convert_to_turn_based(game)
        exploitability.nash_conv(game, policy.TabularPolicy(game))
        loaded[name] = game
    return loaded


def measure(exported: dict[str, Any], game: Any, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Exploitability by OpenSpiel at the checkpoints."""
    solver, found = exported["Solver"](game), []
    for t in range(1, settings["checkpoints"][-1] + 1):
        solver.evaluate_and_update_policy()
        if t in settings["checkpoints"]:
            conv = exploitability.nash_conv(game, solver.average_policy())
            found.append(float(conv) / game.num_players())
    return {"exploitability": found}
