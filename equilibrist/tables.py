"""A report as tables for a terminal, and the progress of the runs behind it."""

from __future__ import annotations

import threading
import time

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from equilibrist.render import figure, safe, span
from equilibrist.table import FLOOR, Cell, Progress, Report, discrimination, geometric_mean, standings

GAMES_ABREAST = 6
HORIZONS_SHOWN = 3
REPORTED_EVERY = 5.0
"""Seconds between lines where there is no terminal."""


class Shown(Progress):
    """Rate and time left: a line that is rewritten on a terminal, elsewhere one every few seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status = console.status("starting") if console.is_terminal else None
        self.lock = threading.Lock()
        self.total = self.count = 0
        self.started = self.told = time.monotonic()

    def __enter__(self) -> Shown:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.status:
            self.status.stop()

    def begin(self, cells: int) -> None:
        self.total, self.count, self.started = cells, 0, time.monotonic()

    def done(self, cell: Cell) -> None:
        with self.lock:
            self.count += 1
            line = f"{self.count}/{self.total}   {self.rate()}   {safe(cell.program)} on {safe(cell.game)}"
            if self.status:
                self.status.update(line)
            elif time.monotonic() - self.told > REPORTED_EVERY or self.count == self.total:
                self.told = time.monotonic()
                self.console.print(line, markup=False)

    def rate(self) -> str:
        elapsed = time.monotonic() - self.started
        left = (self.total - self.count) * elapsed / self.count
        return f"{60 * self.count / max(elapsed, 1e-3):.0f} per minute, {span(left)} left"


def render(report: Report) -> RenderableType:
    """Standings, then exploitability at the end by game, then what each game tells apart."""
    parts: list[RenderableType] = [_standings(report)]
    for start in range(0, len(report.games), GAMES_ABREAST):
        parts.append(_games(report, report.games[start : start + GAMES_ABREAST]))
    parts.append(_discrimination(report))
    parts.append(Text(f"Sandbox {report.sandbox}; solved means at or below {FLOOR:g}.", style="dim"))
    return Group(*parts)


def _standings(report: Report) -> Table:
    shown = _horizons(report)
    heading = "Standings by geometric mean of exploitability at the end"
    table = Table("program", title=heading, title_justify="left")
    for column in ("score", "±") if report.repeats > 1 else ("score",):
        table.add_column(column, justify="right")
    for _, iteration in shown:
        table.add_column(f"at {iteration}", justify="right")
    for column in ("mean rank", "seconds"):
        table.add_column(column, justify="right")
    for row in standings(report):
        spread = [f"{row.spread:.3f}" if row.spread is not None else "-"] if report.repeats > 1 else []
        if row.failed:
            table.add_row(safe(row.program), Text("; ".join(row.failed), style="red"))
            continue
        means = [f"{row.geometric_means[i]:.2e}" for i, _ in shown] if row.geometric_means else []
        rank = f"{row.rank:.2f}" if row.rank is not None else "-"
        table.add_row(safe(row.program), figure(row.score), *spread, *means, rank, f"{row.seconds:.1f}")
    return table


def _horizons(report: Report) -> list[tuple[int, int]]:
    """(index, iteration) of a few checkpoints, the last one included."""
    iterations = next((cell.iterations for cell in report.cells if cell.iterations), [])
    step = max(1, len(iterations) // HORIZONS_SHOWN)
    chosen = sorted(range(len(iterations) - 1, -1, -step)[:HORIZONS_SHOWN])
    return [(i, int(iterations[i])) for i in chosen]


def _games(report: Report, games: tuple[str, ...]) -> Table:
    table = Table("program", title="\nExploitability at the end", title_justify="left")
    for game in games:
        table.add_column(safe(game), justify="right")
    best = {game: min((_end(report, p, game) or 1e300) for p in report.programs) for game in games}
    for row in standings(report):
        values = [(_end(report, row.program, game), best[game]) for game in games]
        table.add_row(safe(row.program), *[_value(value, top) for value, top in values])
    return table


def _end(report: Report, program: str, game: str) -> float | None:
    finals = [c.exploitability[-1] for c in report.of(program, game) if c.result.status == "ok"]
    return geometric_mean(finals) if finals else None


def _value(value: float | None, best: float) -> Text:
    if value is None:
        return Text("failed", style="red")
    text = f"{value:.2e}" if value > FLOOR else "solved"
    return Text(text, style="bold green" if value <= best else "")


def _discrimination(report: Report) -> Table:
    table = Table("game", title="\nWhat the games tell apart", title_justify="left")
    for column in ("solved by", "best", "median") + (("noise",) if report.repeats > 1 else ()):
        table.add_column(column, justify="right")
    for row in discrimination(report):
        noise = [f"x{row.noise:.2f}"] if row.noise is not None else []
        values = [f"{max(value, FLOOR):.2e}" for value in (row.best, row.median)]
        table.add_row(safe(row.game), f"{row.solved}/{len(report.programs)}", *values, *noise)
    return table
