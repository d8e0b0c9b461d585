"""What a pair of meta-strategy solvers must define."""

from __future__ import annotations

from problems.check import faults

METHODS = {"__init__": ("game",), "train": ("epoch",), "evaluate": ("epoch",)}
"""Method of Rule -> parameters it may name."""


def check(source: str) -> list[str]:
    """Static faults, each a sentence for the author; empty when there are none."""
    return faults(source, METHODS)
