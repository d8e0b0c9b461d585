"""The charts of the pages and of the report, drawn by matplotlib, returned as SVG elements."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from equilibrist.budget import Spent
from equilibrist.reading.listing import best_so_far
from equilibrist.reading.svg import INK, inline
from equilibrist.reading.view import Cost, Row
from equilibrist.render import STATUS_STYLE, safe
from memory.records import Result

_LOCK = threading.Lock()
"""Matplotlib's settings and fonts are shared by the whole process."""
PALETTE = ("#2a78a8", "#c8553d", "#4f8a3c", "#8a5aa8", "#b8860b", "#3c8f8a", "#a8456f", "#6b6b6b")
"""Told apart by most colour-blind readers, and legible on white and on black."""
LINES = ("-", "--", ":", "-.")
QUIET = "#8a8f98"
FLOOR = 1e-12
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "equilibrist",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
    "agg.path.chunksize": 0,
}


def lineage(
    rows: Sequence[Row], baselines: Sequence[Row], best: Sequence[Row], floor: float | None = None
) -> str:
    """Who came from whom: score over the number of the experiment, an edge from each parent to its child.

    Programs without a score lie on a rail below; scores under ``floor`` (a robust one, if None) on its edge.
    """
    placed = _places(rows, baselines, floor)
    where = {row.program_id: place for row, place in placed if row.program_id}
    chosen = {row.name for row in best}
    with _LOCK, _settings():
        figure, axes = _figure(9.2, 3.9)
        low, high, rail = _levels(placed)
        _edges(axes, placed, where, chosen)
        points = {}
        for status in STATUS_STYLE:
            shown = [(row, place) for row, place in placed if row.status == status and row.number is not None]
            if not shown:
                continue
            gid = f"nodes-{status}"
            axes.scatter(
                [x for _, (x, _) in shown],
                [y for _, (_, y) in shown],
                c=[row.score if row.score is not None else low for row, _ in shown],
                cmap="viridis",
                vmin=low,
                vmax=high,
                s=16,
                marker="o" if status == "ok" else "X",
                linewidths=0.4,
                edgecolors=INK if status == "ok" else "none",
                gid=gid,
                zorder=3,
            )
            points[gid] = [_mark(row) for row, _ in shown]
        base = [(row, place) for row, place in placed if row.number is None]
        axes.scatter(
            [x for _, (x, _) in base],
            [y for _, (_, y) in base],
            marker="D",
            s=14,
            color=QUIET,
            gid="nodes-baseline",
        )
        points["nodes-baseline"] = [_mark(row) for row, _ in base]
        if base:
            top = max(y for _, (_, y) in base)
            axes.axhline(top, color=QUIET, linewidth=0.8, linestyle="--", gid="bar")
        if rail is not None:
            axes.axhspan(rail - 0.02 * (high - low), axes.get_ylim()[0], color=QUIET, alpha=0.08, linewidth=0)
        axes.set(xlabel="experiment", ylabel="score (higher is better)")
        title = (
            f"Lineage: {len(rows)} programs by score and number, each joined to its parent; a table follows"
        )
        return inline(figure, "lineage", title, points)


def _mark(row: Row) -> dict[str, str]:
    score = "no score" if row.score is None else f"score {row.score:.4f}"
    early = " (stopped early)" if row.score is not None and not row.complete else ""
    return {
        "data-name": safe(row.name)[:60],
        "data-tip": f"{safe(row.name)[:60]}: {row.status}, {score}{early}",
    }


def _places(
    rows: Sequence[Row], baselines: Sequence[Row], floor: float | None
) -> list[tuple[Row, tuple[float, float]]]:
    scores = sorted(row.score for row in [*rows, *baselines] if row.score is not None)
    if not scores:
        return [(row, (float(row.number or 0), 0.0)) for row in rows]
    middle, top = scores[len(scores) // 2], scores[-1]
    robust = min((s for s in scores if s > middle - 3 * max(top - middle, 1e-9)), default=scores[0])
    low = floor if floor is not None else robust
    rail = low - 0.12 * max(top - low, 1e-9)
    placed = [(row, (0.0, max(row.score, low))) for row in baselines if row.score is not None]
    return placed + [
        (row, (float(row.number or 0), rail if row.score is None else max(row.score, low))) for row in rows
    ]


def _levels(placed: Sequence[tuple[Row, tuple[float, float]]]) -> tuple[float, float, float | None]:
    """Least and greatest height of a scored program, and the rail's, if there is one."""
    heights = [y for row, (_, y) in placed if row.score is not None] or [0.0, 1.0]
    rails = [y for row, (_, y) in placed if row.score is None and row.number is not None]
    return min(heights), max(max(heights), min(heights) + 1e-9), (rails[0] if rails else None)


def _edges(axes: Any, placed: Any, where: Mapping[str, tuple[float, float]], chosen: set[str]) -> None:
    plain: dict[str, list[Any]] = {}
    bold: list[Any] = []
    for row, place in placed:
        if row.number is not None and row.parent_id in where:
            edges = bold if row.name in chosen else plain.setdefault(row.status, [])
            edges += [where[row.parent_id], place, (math.nan, math.nan)]
    for status, edges in plain.items():
        axes.plot(*zip(*edges, strict=True), color=QUIET, linewidth=0.4, alpha=0.45, gid=f"edges-{status}")
    if bold:
        axes.plot(*zip(*bold, strict=True), color=PALETTE[1], linewidth=1.6, zorder=2.5, gid="edges-best")


def progress(sessions: Mapping[str, Sequence[Row]], bar: float | None) -> str:
    """Best score so far over experiments, a line per session, beside the best baseline."""
    with _LOCK, _settings():
        figure, axes = _figure(4.4, 2.2)
        for number, (label, rows) in enumerate(sessions.items()):
            climb = best_so_far(rows)
            color = PALETTE[number % len(PALETTE)]
            axes.step(
                *zip(*climb, strict=True) if climb else ((), ()), where="post", color=color, label=safe(label)
            )
        if bar is not None:
            axes.axhline(bar, color=QUIET, linestyle="--", linewidth=0.9, label="best baseline")
        axes.set(xlabel="experiment", ylabel="score")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
        return inline(figure, "progress", "Best score so far over experiments, beside the best baseline")


def burn_down(rows: Sequence[Row], costs: Sequence[Cost], config: Mapping[str, Any]) -> str:
    """What is left over time of the budget in dollars, tokens or, for a researcher that costs nothing,
    experiments; what was spent, where money or tokens have no budget. Empty before there is anything."""
    unit, limit, spent = _burnt(rows, costs, config)
    if not spent:
        return ""
    start = datetime.fromisoformat(spent[0][0])
    minutes = [(datetime.fromisoformat(time) - start).total_seconds() / 60 for time, _ in spent]
    values = [limit - value if limit is not None else value for _, value in spent]
    step = max(1, len(spent) // 800)
    told = f"{unit} {'left' if limit is not None else 'spent'}"
    with _LOCK, _settings():
        figure, axes = _figure(4.4, 2.2)
        axes.plot(
            minutes[::step] + minutes[-1:], values[::step] + values[-1:], color=PALETTE[1], linewidth=1.6
        )
        axes.set(xlabel="minutes", ylabel=told)
        axes.set_ylim(bottom=0)
        return inline(figure, "burn", f"{told} over time")


def _burnt(
    rows: Sequence[Row], costs: Sequence[Cost], config: Mapping[str, Any]
) -> tuple[str, float | None, list[tuple[str, float]]]:
    """Unit, budget, and what was used of it by when."""
    usd, tokens, last = config.get("usd"), config.get("tokens"), costs[-1].spent if costs else Spent()
    if usd is not None or (tokens is None and last.usd > 0):
        return "US dollars", usd, [(cost.time, cost.spent.usd) for cost in costs]
    if tokens is not None or last.tokens > 0:
        return "tokens", tokens, [(cost.time, float(cost.spent.tokens)) for cost in costs]
    done = sorted(row.time for row in rows)
    return "experiments", config.get("experiments"), [(time, float(n)) for n, time in enumerate(done, 1)]


def convergence(
    programs: Mapping[str, Result], games: Sequence[str] | None = None, name: str = "curves"
) -> str:
    """Exploitability over iterations, both logarithmic, a panel per game, a line per program.

    The first program's line is bold; other problems' series are drawn as they are named.
    """
    found = games or list(dict.fromkeys(game for result in programs.values() for game in result.curves))
    if not found:
        return ""
    columns = 2 if len(found) in (2, 4) else min(3, len(found))
    count = math.ceil(len(found) / columns)
    with _LOCK, _settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.1 * columns, 2.35 * count + 0.5), layout="constrained")
        panels = figure.subplots(count, columns, squeeze=False).ravel()
        for panel, game in zip(panels, found, strict=False):
            _panel(panel, programs, game)
        for panel in panels[len(found) :]:
            panel.set_axis_off()
        handles: dict[str, Any] = {}
        for panel in panels:
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        if handles:
            figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(4, len(handles)))
        return inline(
            figure,
            name,
            "Convergence per game: " + ", ".join(map(safe, found)) + "; " + ", ".join(map(safe, programs)),
        )


def _panel(panel: Any, programs: Mapping[str, Result], game: str) -> None:
    logarithmic = True
    series = ""
    for number, (label, result) in enumerate(programs.items()):
        at, values, series = _series(result.curves.get(game, {}))
        if not values:
            continue
        logarithmic = logarithmic and min(values) >= 0
        drawn = [max(value, FLOOR) for value in values] if logarithmic else values
        panel.plot(
            at,
            drawn,
            label=safe(label)[:40],
            color=PALETTE[number % len(PALETTE)],
            linestyle=LINES[number // len(PALETTE) % len(LINES)],
            linewidth=2.0 if number == 0 else 1.0,
            alpha=1.0 if number == 0 else 0.85,
            zorder=3 if number == 0 else 2,
        )
    if logarithmic and panel.lines:
        panel.set(xscale="log", yscale="log")
    panel.set(xlabel="iterations", ylabel=series)
    panel.set_title(safe(game)[:40])
    panel.grid(alpha=0.18, linewidth=0.5)


def _series(curves: Mapping[str, Sequence[float]]) -> tuple[list[float], list[float], str]:
    """Abscissae, values and the name of the series that a game's curve is about; finite pairs only."""
    names = [name for name in curves if name not in ("iterations", "last_iterate")]
    name = "exploitability" if "exploitability" in curves else (names[0] if names else "")
    values = list(curves.get(name, ()))
    at = list(curves.get("iterations", range(1, len(values) + 1)))
    pairs = [(x, y) for x, y in zip(at, values, strict=False) if math.isfinite(x) and math.isfinite(y)]
    return [x for x, _ in pairs], [y for _, y in pairs], name.replace("_", " ")


def _settings() -> Any:
    import matplotlib

    return matplotlib.rc_context(SETTINGS)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
