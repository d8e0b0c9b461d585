"""Counts crossings, and shows what it was given."""

import sys
import time

import numpy as np

from problems.problem import CandidateError


def rollout(candidate, game, settings):
    print("a stray print must not reach the host")
    if settings.get("fault"):
        raise ZeroDivisionError("a fault of the referee")
    table = np.arange(6, dtype=np.int32).reshape(2, 3)
    arrays = candidate.open(
        {"name": "toy", "nested": {"table": table, "list": [1, 2.5, None]}},
        [("x", "float64", (3,)), ("seen", "float64", (4,)), ("native", "float64", (2,))],
    )
    done = 0
    started = time.perf_counter()
    try:
        while done < settings["crossings"]:
            candidate.call(1 if settings.get("empty") else 0)
            done += 1
    except CandidateError as error:
        error.artifact = {"crossings": done}
        if not settings.get("swallow"):
            raise
    microseconds = (time.perf_counter() - started) / max(settings["crossings"], 1) * 1e6
    return {
        "crossings": done,
        "x": arrays["x"].tolist(),
        "seen": arrays["seen"].tolist(),
        "doubled": arrays["native"][0],
        "cache_hits": arrays["native"][1],
        "game": game.decode(),
        "seed": settings["seed"],
        "microseconds": microseconds,
        "modules": sorted(name for name in sys.modules if name == "torch"),
    }
