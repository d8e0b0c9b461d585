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


@dataclass(frozen=True)
class Tuning:
    """The best values that were met, and all that were tried."""

    source: str
    score: float
    evaluations: int
    trace: tuple[dict[str, Any], ...]
    """``constants`` and ``score`` (None: it failed), in the order of evaluation."""


def tune(
    source: str,
    judge: Callable[[str, Sequence[dict[str, float]]], Sequence[Result]],
    evaluations: int,
    seed: int,
) -> Tuning | None:
    """Maximise the score over the program's constants, each generation judged as one batch.

    Args:
        judge: (source, settings) -> results; ``Evaluator.sweep`` with its games.
        evaluations: settings judged at most.

    Returns:
        None where there is nothing to tune, or nothing ran.
    """
    start = {name: value for name, value in constants(source).items() if not 0 < abs(value) < TINY}
    if not start or evaluations < 1:
        return None
    size = max(2, len(start))  # the library wants two dimensions at least; a second one may be idle
    optimiser = cmaes.CMA(mean=np.zeros(size), sigma=STEP, seed=seed)
    trace: list[dict[str, Any]] = []
    while len(trace) < evaluations:
        asked = [optimiser.ask() for _ in range(optimiser.population_size)]
        settings = [
            {name: _moved(value, float(x)) for (name, value), x in zip(start.items(), point, strict=False)}
            for point in asked
        ]
        settings = settings[: evaluations - len(trace)]
        results = judge(source, settings)
        scores = [None if result.status != "ok" else result.score for result in results]
        trace += [{"constants": s, "score": score} for s, score in zip(settings, scores, strict=True)]
        if len(settings) == len(asked):
            losses = [WORST if score is None else -score for score in scores]
            optimiser.tell(list(zip(asked, losses, strict=True)))
    ran = [tried for tried in trace if tried["score"] is not None]
    if not ran:
        return None
    best = max(ran, key=lambda tried: float(tried["score"]))
    return Tuning(with_constants(source, best["constants"]), float(best["score"]), len(trace), tuple(trace))


def _moved(value: float, x: float) -> float:
    """``x`` steps away: on the log scale above one, on the logit scale between zero and one, else linear."""
    if abs(value) >= 1.0:
        return value * math.exp(0.5 * max(-20.0, min(20.0, x)))
    if value > 0.0:
        return 1.0 / (1.0 + math.exp(-(math.log(value / (1.0 - value)) + max(-20.0, min(20.0, x)))))
    return value + 0.3 * x
