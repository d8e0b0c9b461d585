"""What a step of a VMAS task costs beside BenchMARL (``vectorised.py``); and the baseline ``ippo`` beside
OpenSpiel's PPO, a port of CleanRL's: what both have learnt after equally many steps, and what a step costs.

simple_spread: the library's learner on the environment of mpe2 itself, its three agents sharing a network as
ours do; as it comes, and with our step size and batch. Tic-tac-toe: two of its learners against each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench import vectorised
from bench.measure import Row, measured

PEERS = {"OpenSpiel PPO, its defaults": False, "OpenSpiel PPO, our step size and batch": True}
BUDGETS = {"spread": (1.0, 4.0), "tictactoe": (1.0, 4.0)}
"""Factors of the environment's own budget; the last is left out when it must be quick."""
WHAT = {"spread": "simple_spread, return per agent", "tictactoe": "tic-tac-toe, return against random play"}
SEEDS, EPISODES = 5, 128


def rows(quick: bool) -> Iterator[Row]:
    yield from vectorised.rows(quick)
    for environment, budgets in BUDGETS.items():
        for scale in budgets[:1] if quick else budgets:
            ours = measured("learning.ours", environment=environment, scale=scale)
            for peer, alike in PEERS.items():
                theirs = measured(f"learners.{environment}", scale=scale, alike=alike)
                if ours is not None and theirs is not None:
                    yield from _rows(environment, ours, peer, theirs)


def _rows(environment: str, ours: dict[str, Any], peer: str, theirs: dict[str, Any]) -> Iterator[Row]:
    steps = f"{ours['steps'] / SEEDS:,.0f} steps"
    (at, low, high), (other, its_low, its_high) = (_middle(x["returns"]) for x in (ours, theirs))
    note = f"95 % of {SEEDS} seeds: {low:.2f} to {high:.2f}, {its_low:.2f} to {its_high:.2f}"
    what = f"{WHAT[environment]}, {steps}"
    yield Row("learning", what, at, "return", peer, other, no_less=its_low, note=note)
    if "exploitability" in ours:
        (at, *_), (other, *_) = (_middle(x["exploitability"]) for x in (ours, theirs))
        what = f"tic-tac-toe, exploitability, {steps}"
        yield Row("learning", what, at, "gain", peer, other, note="0 is an equilibrium; exact, IQM")
    each, its = ours["cpu"] / ours["steps"], theirs["cpu"] / theirs["steps"]
    note = f"{1 / each:,.0f} and {1 / its:,.0f} steps a second, learning included"
    yield Row("learning", f"{environment}, {steps}, one step", each, "s", peer, its, note=note)


def _middle(values: list[float]) -> tuple[float, float, float]:
    """Interquartile mean over seeds, and its 95 % bootstrap interval."""
    import numpy as np

    from problems.learning.statistics import interquartile_mean, interval

    x = np.array(values)
    return interquartile_mean(x), *interval(x[:, None], 0)


def ours(environment: str, scale: float, seeds: int = SEEDS) -> dict[str, Any]:
    """Train as a session does, all seeds at once; returns and exploitability at the end, one per seed."""
    import numpy as np

    from problems.inprocess import InProcess
    from problems.learning import PROBLEM
    from problems.learning.environments import PLANS
    from problems.learning.referee import Training
    from problems.learning.returns import judged

    plan = replace(PLANS[environment], episodes=EPISODES)
    settings = {**PROBLEM.settings, "seeds": seeds, "scale": scale}
    training = Training(InProcess(PROBLEM.rule, PROBLEM.baselines["ippo"]), plan, settings)
    started = time.process_time()
    training.run(judgements=0, race=False)
    spent = time.process_time() - started
    world = plan.make(seeds * EPISODES, np.random.default_rng(7))
    world.reset(np.ones(world.batch, bool))
    returns = judged(world, training.team, plan, world.uniform([8]))
    made = {"cpu": spent, "steps": training.taken, "returns": returns.tolist()}
    if training.exact is not None:
        made["exploitability"] = training.exact.exploitability(training.team.policies).tolist()
    return made
