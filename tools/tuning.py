"""Constants of a program tuned by CMA-ES (Hansen and Ostermeier 2001; the library ``cmaes``, Nomura 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cmaes
import numpy as np

from memory.records import Result
from tools.constants import constants, with_constants

STEP = 0.6
"""First step in the units of ``_moved``."""
TINY = 1e-4
"""Smaller constants guard a division; they are not tuned."""
WORST = 1e9
"""Loss of a program that failed."""
FINALISTS, ORDERS = 3, 2
"""The best of many noisy scores is partly the luckiest: so many settings meet in so many more repeats."""


Judge = Callable[[str, Sequence[dict[str, float]], int], Sequence[Result]]
"""(source, settings, repeat) -> results."""


@dataclass(frozen=True)
class Tuning:
    """The best values that were met, and all that were tried."""

    source: str
    score: float
    """In the first repeat, as of any other program."""
    evaluations: int
    trace: tuple[dict[str, Any], ...]
    """``constants``, ``score`` (None: it failed) and ``repeat``, in the order of evaluation."""


def tune(
    source: str,
    judge: Judge,
    evaluations: int,
    seed: int,
) -> Tuning | None:
    """Maximise the score over the program's constants, each generation judged as one batch.

    Where the budget is four times what that takes, its end is a runoff: the best settings are judged in other
    repeats, and the best mean wins.

    Args:
        judge: ``Evaluator.sweep`` with its games.
        evaluations: settings judged at most, the runoff's included.

    Returns:
        None where there is nothing to tune, or nothing ran.
    """
    start = {name: value for name, value in constants(source).items() if not 0 < abs(value) < TINY}
    if not start or evaluations < 1:
        return None
    size = max(2, len(start))  # the library wants two dimensions at least; a second one may be idle
    optimiser = cmaes.CMA(mean=np.zeros(size), sigma=STEP, seed=seed)
    trace: list[dict[str, Any]] = []

    def judged(settings: Sequence[dict[str, float]], repeat: int) -> list[float | None]:
        results = judge(source, settings, repeat)
        scores = [None if result.status != "ok" else result.score for result in results]
        pairs = zip(settings, scores, strict=True)
        trace.extend({"constants": s, "score": score, "repeat": repeat} for s, score in pairs)
        return scores

    orders = ORDERS if evaluations >= 4 * FINALISTS * ORDERS else 0
    first = evaluations - FINALISTS * orders
    while len(trace) < first:
        asked = [optimiser.ask() for _ in range(optimiser.population_size)]
        settings = [
            {name: _moved(value, float(x)) for (name, value), x in zip(start.items(), point, strict=False)}
            for point in asked
        ]
        settings = settings[: first - len(trace)]
        scores = judged(settings, 0)
        if len(settings) == len(asked):
            losses = [WORST if score is None else -score for score in scores]
            optimiser.tell(list(zip(asked, losses, strict=True)))
    ran = [tried for tried in trace if tried["score"] is not None]
    if not ran:
        return None
    ran.sort(key=lambda tried: -float(tried["score"]))
    finalists = [tried["constants"] for tried in ran[:FINALISTS]]
    totals = [float(tried["score"]) for tried in ran[:FINALISTS]]
    for repeat in range(1, orders + 1):
        scores = judged(finalists, repeat)
        totals = [
            total + (-WORST if score is None else score) for total, score in zip(totals, scores, strict=True)
        ]
    best = totals.index(max(totals))
    chosen = with_constants(source, finalists[best])
    return Tuning(chosen, float(ran[best]["score"]), len(trace), tuple(trace))


def _moved(value: float, x: float) -> float:
    """``x`` steps away: on the log scale above one, on the logit scale between zero and one, else linear."""
    if abs(value) >= 1.0:
        return value * math.exp(0.5 * max(-20.0, min(20.0, x)))
    if value > 0.0:
        return 1.0 / (1.0 + math.exp(-(math.log(value / (1.0 - value)) + max(-20.0, min(20.0, x)))))
    return value + 0.3 * x
