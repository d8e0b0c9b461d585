"""What a regret rule is confirmed on apart from games: no regret, no dependence on names or units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from problems.problem import Finding, Trial

CHECKPOINTS = [100, 178, 316, 562, 1000, 1778, 3162]
EXPONENT = 0.75
"""A regret that grows like T^0.5 is the best possible against adversaries, T^1 is no learning."""
SMALL = 0.01
"""Regret per iteration that counts as none, whatever its growth."""
SAME = 1e-4
"""Relative difference of exploitability that rounding can make in the first iterations."""
FLOOR = 1e-12


def growth(artifacts: Sequence[Mapping[str, Any]]) -> Finding:
    """Exponent k of a least-squares fit regret ~ T^k over the last decade."""
    iterations, regret = artifacts[0]["iterations"], artifacts[0]["regret"]
    average = regret[-1] / iterations[-1]
    if regret[-1] <= 0.0:
        said = f"regret {regret[-1]:.4g} after {iterations[-1]:.0f} iterations: better than any fixed action"
        return Finding(True, said, {"regret": regret[-1], "per iteration": average})
    kept = [(math.log(t), math.log(max(r, FLOOR))) for t, r in zip(iterations, regret, strict=True)]
    kept = [(x, y) for x, y in kept if x >= math.log(iterations[-1] / 10.0) - 1e-9]
    mean_x, mean_y = (math.fsum(v) / len(kept) for v in zip(*kept, strict=True))
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in kept)
    slope /= math.fsum((x - mean_x) ** 2 for x, _ in kept)
    said = f"regret {regret[-1]:.4g} after {iterations[-1]:.0f} iterations, growing like T^{slope:.2f}"
    figures = {"exponent": slope, "regret": regret[-1], "per iteration": average}
    return Finding(slope <= EXPONENT or average <= SMALL, said, figures)


def sameness(artifacts: Sequence[Mapping[str, Any]], units: Sequence[float]) -> Finding:
    """Largest relative difference between the first run and the others, of the exploitability of average and
    current policies in units of the payoffs."""
    series = [
        [value / unit for name in ("exploitability", "last_iterate") for value in artifact[name]]
        for artifact, unit in zip(artifacts, units, strict=True)
    ]
    worst = max(
        abs(value - plain) / max(plain, FLOOR)
        for other in series[1:]
        for plain, value in zip(series[0], other, strict=True)
    )
    return Finding(worst <= SAME, f"exploitability differs by {worst:.2g} at most", {"difference": worst})


def _sequence(kind: str, about: str) -> Trial:
    run = {"sequence": kind, "checkpoints": CHECKPOINTS}
    return Trial(f"no regret, {kind}", about, "kuhn2", (run,), growth)


def _invariance(name: str, about: str, game: str, changes: tuple[Mapping[str, Any], ...]) -> Trial:
    plain = {"checkpoints": [4, 8, 16, 24], "alternating": True}
    runs = tuple({**plain, **change} for change in ({}, *changes))
    units = [1.0, *(change.get("scale", 1.0) for change in changes)]
    return Trial(name, about, game, runs, partial(sameness, units=units))


TRIALS = (
    _sequence("random", "Regret against random rewards grows slower than time."),
    _sequence("shifting", "The same where the best action changes half-way."),
    _sequence("adversarial", "The same where the least likely action is always the one rewarded."),
    _invariance(
        "payoff scale", "Units of payoff do not matter.", "leduc2", ({"scale": 8.0}, {"scale": 0.125})
    ),
    _invariance(
        "payoff shift", "A constant added to all payoffs does not matter.", "kuhn3", ({"shift": 4.0},)
    ),
    _invariance(
        "relabelling",
        "Names of actions and infosets do not matter.",
        "leduc2",
        ({"relabel": 1}, {"relabel": 2}),
    ),
)
