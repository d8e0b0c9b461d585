"""A session's training beside BenchMARL's IPPO (on TorchRL) on one VMAS task: what a step costs, collection
and learning apart.

Task, copies, horizon, batch and device are the same for all. Ours are five learners of 32 copies each, as a
session has them; BenchMARL's is one, whose environment steps as many copies at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from bench.measure import Row, measured

TASK, AGENTS = "balance", 3
SEEDS, COPIES, STEPS, HORIZON = 5, 32, 64, 100
"""Of a batch: learners of ours, copies of each, steps of each. And steps after which an episode is cut."""
BATCH = SEEDS * COPIES * STEPS
BATCHES = {True: 4, False: 12}
DEFAULTS = 2
"""Batches of a peer that takes over a thousand steps of its optimiser on each."""
PEERS = {"BenchMARL IPPO, our networks and epochs": True, "BenchMARL IPPO, its defaults": False}
PHASES = ("collection", "learning")


def rows(quick: bool) -> Iterator[Row]:
    ours = measured("vectorised.ours", batches=BATCHES[quick])
    for peer, alike in PEERS.items():
        theirs = measured("marl.ippo", batches=BATCHES[quick] if alike else DEFAULTS, alike=alike)
        yield from _rows(ours, peer, theirs)


def _rows(ours: dict[str, Any] | None, peer: str, theirs: dict[str, Any] | None) -> Iterator[Row]:
    for phase in (*PHASES, "both"):
        what = f"VMAS {TASK}, {SEEDS * COPIES} copies, one step: {phase}"
        mine, other = _step(ours, phase), _step(theirs, phase)
        yield Row("learning", what, mine, "s", peer, other, note=_note(mine, other))


def _step(made: dict[str, Any] | None, phase: str) -> float | None:
    """CPU seconds per step of one copy, the median over batches."""
    if made is None:
        return None
    spent = np.array([made[name] for name in (PHASES if phase == "both" else (phase,))])
    return float(np.median(spent.sum(0))) / BATCH


def _note(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "not measured: it is not installed or failed"
    return f"{1 / ours:,.0f} and {1 / theirs:,.0f} steps a second"


def ours(batches: int) -> dict[str, list[float]]:
    """CPU seconds of every batch but the first, for ``ippo`` as a session trains it, without the wall."""
    from problems.inprocess import InProcess
    from problems.learning import PROBLEM
    from problems.learning.adapter import brought_plan
    from problems.learning.referee import Training

    plan = {"iterations": batches + 1, "steps": STEPS, "copies": COPIES, "low": 0.0, "high": 1.0}
    arguments = {"n_agents": AGENTS, "max_steps": HORIZON}
    told = {"entry": f"vmas:{TASK}", "arguments": arguments, "files": {}, "vectorised": True, "plan": plan}
    candidate = InProcess(PROBLEM.rule, PROBLEM.baselines["ippo"])
    settings = {**PROBLEM.settings, "seeds": SEEDS}
    training = Training(candidate, brought_plan(told, "cpu"), settings)
    ends = [time.process_time()]
    for _ in range(batches + 1):
        played = training.play()
        ends.append(time.process_time())
        training.learn(played)
        ends.append(time.process_time())
    return phases(ends)


def phases(ends: list[float]) -> dict[str, list[float]]:
    """Spans between two ends are collection and learning by turns; the first batch's are left out."""
    spans = [after - before for before, after in pairwise(ends)][2:]
    return {"collection": spans[::2], "learning": spans[1::2]}
