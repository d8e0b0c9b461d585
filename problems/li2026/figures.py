"""The published curves of Figure 3 (see ``figures.md`` for where the numbers come from)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path


@cache
def published() -> dict[tuple[str, str], dict[int, float]]:
    """(game, algorithm) -> updates done -> exploitability; 0 is anything below the plot's floor of 1e-16."""
    curves = {}
    with Path(__file__).with_name("figures.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            updates = [int(x) for x in row["updates"].split()]
            values = [float(y) for y in row["exploitability"].split()]
            curves[row["game"], row["algorithm"]] = dict(zip(updates, values, strict=True))
    return curves
