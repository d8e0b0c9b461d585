"""What a regret rule must define."""

from __future__ import annotations

from problems.check import faults

QUANTITIES = ("t", "policy", "regret", "realisation", "reach", "opponent_reach")
METHODS = {
    "__init__": ("infosets",),
    "accumulate_average": QUANTITIES,
    "accumulate_regret": QUANTITIES,
    "next_policy": QUANTITIES,
    "average_policy": (),
}
"""Method of Rule -> parameters it may name."""


def check(source: str) -> list[str]:
    """Static faults, each a sentence for the author; empty when there are none."""
    return faults(source, METHODS)
