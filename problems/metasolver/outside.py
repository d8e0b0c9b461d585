"""Runs an exported pair of solvers inside OpenSpiel's PSRO, in a process that holds nothing of ours: this
file's text is executed there, so it imports nothing of ours either."""

from __future__ import annotations

import argparse  # noqa: F401 - what the exported file imports must be loaded before the process is confined
import contextlib  # noqa: F401
import inspect  # noqa: F401
import io  # noqa: F401
import sys
import types
from typing import Any

import numpy as np
import pyspiel
import torch
from open_spiel.python import policy
from open_spiel.python.algorithms import exploitability, policy_aggregator, policy_utils  # noqa: F401
from scipy.optimize import linprog

try:
    import cvxpy  # noqa: F401
except ImportError:  # psro_v2 imports it for a solver of its own that is not used
    sys.modules["cvxpy"] = types.ModuleType("cvxpy")
    sys.modules["cvxpy"].ECOS = "ECOS"  # type: ignore[attr-defined]
from open_spiel.python.algorithms.psro_v2 import meta_strategies, psro_v2  # noqa: F401


def prepare(games: dict[str, dict[str, str]]) -> dict[str, Any]:
    """OpenSpiel's games, by their strings or in Gambit's form, and everything loaded that a run needs."""
    torch.set_num_threads(1)
    linprog([-1.0], A_ub=[[1.0]], b_ub=[1.0], method="highs")
    loaded = {}
    for name, told in games.items():
        game = pyspiel.load_efg_game(told["efg"]) if "efg" in told else pyspiel.load_game(told["string"])
        if game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
            game = pyspiel.convert_to_turn_based(game)
        exploitability.nash_conv(game, policy.TabularPolicy(game))
        loaded[name] = game
    return loaded


def measure(exported: dict[str, Any], game: Any, settings: dict[str, Any]) -> dict[str, list[float]]:
    """PSRO with the file's method: the last meta-game, and every epoch's mixtures and exploitability."""
    method = exported["MetaStrategy"]()
    solver = exported["psro"](game, method)
    train: list[float] = []
    evaluate: list[float] = []
    conv: list[float] = []
    last = settings["checkpoints"][-1]
    for epoch in range(1, last + 1):
        if epoch > 1:
            solver.iteration()
        evaluate += np.concatenate(method.answer).tolist()
        if epoch < last:
            train += np.concatenate(solver.get_meta_strategies()).tolist()
        conv.append(exported["judged"](game, solver, method))
    payoffs = np.array(solver.get_meta_game()).ravel().tolist()
    return {"payoffs": payoffs, "train": train, "evaluate": evaluate, "exploitability": conv}
