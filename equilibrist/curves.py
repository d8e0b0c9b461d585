"""Convergence plots: exploitability against iterations, one panel per game, through matplotlib."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from equilibrist.errors import Usage
from equilibrist.table import FLOOR, Report, geometric_mean

SUFFIXES = (".png", ".svg", ".pdf")
COLUMNS = 4
PANEL = (3.6, 2.7)
"""Inches."""
LINES = ("-", "--", ":")
"""Ten colours, then again in the next style."""


def check(path: Path) -> None:
    """Raises Usage, before hours of work, for a file that could not be written."""
    if path.suffix not in SUFFIXES:
        raise Usage(f"{path} is no plot's name: it must end in {', '.join(SUFFIXES)}.")
    if not path.resolve().parent.is_dir():
        raise Usage(f"There is no folder {path.resolve().parent} to write {path.name} to.")


def draw(report: Report, path: Path) -> None:
    """Write the plot; the suffix decides its kind. Both axes are logarithmic, and ``FLOOR`` cuts off below;
    of returns they are plain.

    A line is the geometric mean over repeats (of returns the mean), the band around it their extremes.
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(report.games))
    rows = math.ceil(len(report.games) / columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows + 1.0), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, game in zip(panels, report.games, strict=False):
        _panel(panel, report, game)
    for panel in panels[len(report.games) :]:
        panel.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2 * columns, fontsize="small")
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panel(panel: Any, report: Report, game: str) -> None:
    for number, program in enumerate(report.programs):
        cells = [cell for cell in report.of(program, game) if cell.returns or cell.exploitability]
        if not cells:
            continue
        every = [cell.returns or [max(value, FLOOR) for value in cell.exploitability] for cell in cells]
        points = list(zip(*every, strict=False))
        means = [(statistics.fmean if cells[0].returns else geometric_mean)(values) for values in points]
        at = cells[0].iterations[: len(points)]
        style = {"color": f"C{number % 10}", "linestyle": LINES[number // 10 % len(LINES)]}
        panel.plot(at, means, label=program, linewidth=1.2, **style)
        if len(every) > 1:
            low, high = [min(values) for values in points], [max(values) for values in points]
            panel.fill_between(at, low, high, color=style["color"], alpha=0.2, linewidth=0)
    if report.returned:
        panel.set(xlabel="steps", ylabel="normalised return")
    else:
        panel.set(xscale="log", yscale="log", xlabel="iterations", ylabel="exploitability")
    panel.set_title(game, fontsize="medium")
    panel.grid(alpha=0.3)
