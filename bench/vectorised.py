"""A session's training beside BenchMARL's IPPO (on TorchRL) on one VMAS task: what a step costs, collection
and learning apart, on one thread and, where there is one, on a GPU.

Task, copies, horizon, batch and device are the same for all. Ours are five learners, as a session has them;
BenchMARL's is one, whose environment steps as many copies at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from bench.measure import Row, measured

TASK, AGENTS = "balance", 3
SEEDS, STEPS, HORIZON = 5, 64, 100
"""Learners of ours; steps of each copy in a batch; steps after which an episode is cut."""
COPIES = {"cpu": 32, "cuda": 512}
"""Of each learner."""
BATCHES = {True: 4, False: 12}
DEFAULTS = 2
"""Batches of a peer that takes over a thousand steps of its optimiser on each."""
PEERS = {"BenchMARL IPPO, our networks and epochs": True, "BenchMARL IPPO, its defaults": False}
PHASES = ("collection", "learning")


def rows(quick: bool) -> Iterator[Row]:
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        ours = measured("vectorised.ours", batches=BATCHES[quick], device=device)
        for peer, alike in PEERS.items():
            if alike or device == "cpu":
                batches = BATCHES[quick] if alike else DEFAULTS
                theirs = measured("marl.ippo", batches=batches, alike=alike, device=device)
                yield from _rows(device, ours, peer, theirs)


def _rows(
    device: str, ours: dict[str, Any] | None, peer: str, theirs: dict[str, Any] | None
) -> Iterator[Row]:
    for phase in (*PHASES, "both"):
        what = f"VMAS {TASK}, {SEEDS * COPIES[device]} copies, one step: {phase}"
        if device != "cpu":
            what += f", elapsed, {torch.cuda.get_device_name()}"
        mine, other = _step(device, ours, phase), _step(device, theirs, phase)
        yield Row("learning", what, mine, "s", peer, other, note=_note(mine, other))


def _step(device: str, made: dict[str, Any] | None, phase: str) -> float | None:
    """Seconds per step of one copy, the median over batches."""
    if made is None:
        return None
    spent = np.array([made[name] for name in (PHASES if phase == "both" else (phase,))])
    return float(np.median(spent.sum(0))) / batch(device)


def _note(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "not measured: it is not installed or failed"
    return f"{1 / ours:,.0f} and {1 / theirs:,.0f} steps a second"


def batch(device: str) -> int:
    """Steps of all copies together."""
    return SEEDS * COPIES[device] * STEPS


def clock(device: str) -> float:
    """CPU seconds of this process; on a GPU, seconds, once what it was given is done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.monotonic()


def ours(batches: int, device: str) -> dict[str, list[float]]:
    """Seconds of every batch but the first, for ``ippo`` as a session trains it, without the wall."""
    from problems.inprocess import InProcess
    from problems.learning import PROBLEM
    from problems.learning.adapter import brought_plan
    from problems.learning.referee import Training

    copies = COPIES[device]
    plan = {"iterations": batches + 1, "steps": STEPS, "copies": copies, "low": 0.0, "high": 1.0}
    arguments = {"n_agents": AGENTS, "max_steps": HORIZON}
    told = {"entry": f"vmas:{TASK}", "arguments": arguments, "files": {}, "vectorised": True, "plan": plan}
    candidate = InProcess(PROBLEM.rule, PROBLEM.baselines["ippo"])
    settings = {**PROBLEM.settings, "seeds": SEEDS, "device": device}
    training = Training(candidate, brought_plan(told, device), settings)
    ends = [clock(device)]
    for _ in range(batches + 1):
        played = training.play()
        ends.append(clock(device))
        training.learn(played)
        ends.append(clock(device))
    return phases(ends)


def phases(ends: list[float]) -> dict[str, list[float]]:
    """Spans between two ends are collection and learning by turns; the first batch's are left out."""
    spans = [after - before for before, after in pairwise(ends)][2:]
    return {"collection": spans[::2], "learning": spans[1::2]}
