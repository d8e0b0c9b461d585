"""The published curves of Figures 3 and 4 (see ``figures.md`` for where the numbers come from)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

Curves = dict[tuple[str, str], dict[int, float]]
"""(game, algorithm) -> updates done -> exploitability; 0 is anything below the plot's floor of 1e-16."""


@cache
def published() -> Curves:
    """Figure 3: regret minimisers, by updates."""
    return {
        (row["game"], row["algorithm"]): dict(
            zip(map(int, row["updates"].split()), _numbers(row), strict=True)
        )
        for row in _rows("figures.csv")
    }


@cache
def published_psro() -> Curves:
    """Figure 4: meta-strategy solvers, by best responses added."""
    return {
        (row["game"], row["algorithm"]): dict(enumerate(_numbers(row))) for row in _rows("psro_figures.csv")
    }


def _rows(name: str) -> Iterator[dict[str, str]]:
    with Path(__file__).with_name(name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _numbers(row: dict[str, str]) -> list[float]:
    return [float(y) for y in row["exploitability"].split()]
