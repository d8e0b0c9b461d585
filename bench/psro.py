"""PSRO beside OpenSpiel's ``psro_v2``: 100 epochs of best responses, the referee's own part and whole runs.

Both grow populations by exact best responses to uniform mixtures; psro_v2 estimates each payoff from 1,000
episodes (its default), ours are exact, and ours measures exact exploitability in every epoch besides.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator
from typing import Any

from bench.measure import Row, measured, quietest

EPOCHS = 100
GOALS = {"leduc2": 0.05, "liars_dice5": None}
TRAINING_GOAL = 30.0
"""Seconds for SHOR-PSRO on all train games."""
NOTE = "theirs: the last epoch it came to, times 100; payoffs sampled, later epochs are dearer"


def rows(quick: bool) -> Iterator[Row]:
    for game, goal in GOALS.items():
        ours = measured("psro.referee", game=game)
        theirs = measured("psro.openspiel", game=game, seconds=10.0 if quick else 60.0)
        if ours is not None:
            what = f"{game}, {EPOCHS} epochs, without the solver"
            peer = theirs["epoch"] * EPOCHS if theirs else None
            yield Row("psro", what, ours["run"], "s", "psro_v2", peer, at_most=goal, note=NOTE)
    for solver in ("rm_plus", "nash", "shor_psro"):
        whole = measured("psro.training", solver=solver)
        if whole is not None:
            goal = TRAINING_GOAL if solver == "shor_psro" else None
            yield Row("psro", f"training set, {EPOCHS} epochs, {solver}", whole["run"], "s", at_most=goal)


def referee(game: str) -> dict[str, float]:
    """The referee's own part: the candidate answers at no cost."""
    import numpy as np

    from problems.games.compile import pack
    from problems.metasolver.referee import rollout

    class Uniform:
        def open(self, setup: dict[str, Any], arrays: Any) -> dict[str, np.ndarray]:
            self.shared = {name: np.zeros(shape, dtype) for name, dtype, shape in arrays}
            return self.shared

        def call(self, operation: int) -> None:
            size = self.shared["size"][0]
            self.shared["mixtures"][:, :size] = 1.0 / size

    packed, settings = pack(game), {"checkpoints": list(range(1, EPOCHS + 1)), "seed": 0}
    return {"run": quietest(lambda: rollout(Uniform(), packed, settings), 0.0)}


def training(solver: str) -> dict[str, float]:
    """Whole runs on the train games in one process, as they are scored."""
    from problems.games.compile import pack
    from problems.inprocess import InProcess
    from problems.metasolver import PROBLEM
    from problems.metasolver.referee import rollout

    spent = 0.0
    for game in PROBLEM.walls["train"]:
        packed, candidate = pack(game), InProcess(PROBLEM.rule, PROBLEM.baselines[solver])
        started = time.process_time()
        rollout(candidate, packed, {**PROBLEM.settings, "seed": 0})
        spent += time.process_time() - started
    return {"run": spent}


def openspiel(game: str, seconds: float) -> dict[str, float]:
    """CPU time of the last epoch that OpenSpiel begins within ``seconds``."""
    import pyspiel

    # psro_v2 imports cvxpy for its linear programs; uniform mixtures need none.
    sys.modules.setdefault("cvxpy", types.ModuleType("cvxpy")).__dict__.setdefault("ECOS", "ECOS")
    from open_spiel.python import policy
    from open_spiel.python.algorithms.psro_v2 import best_response_oracle, psro_v2

    from problems.games import GAMES

    loaded = pyspiel.load_game(GAMES.get(game, game))
    solver = psro_v2.PSROSolver(
        loaded,
        best_response_oracle.BestResponseOracle(best_response_backend="cpp", game=loaded),
        initial_policies=[policy.UniformRandomPolicy(loaded) for _ in range(loaded.num_players())],
        meta_strategy_method="uniform",
        training_strategy_selector="probabilistic",
        sims_per_entry=1000,
        sample_from_marginals=True,
    )
    started, last, epochs = time.process_time(), 0.0, 0
    while time.process_time() - started < seconds:
        begun = time.process_time()
        solver.iteration()
        last = time.process_time() - begun
        epochs += 1
    return {"epoch": last, "epochs": epochs}
