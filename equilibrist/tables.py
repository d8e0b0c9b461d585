"""A report as tables for a terminal, and the progress of the runs behind it."""

from __future__ import annotations

import statistics
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
    """Standings, then exploitability (or return) at the end by game, then what each game tells apart."""
    parts: list[RenderableType] = [_standings(report)]
    for start in range(0, len(report.games), GAMES_ABREAST):
        parts.append(_games(report, report.games[start : start + GAMES_ABREAST]))
    parts.append(_discrimination(report))
    solved = f"solved means at or below {FLOOR:g}"
    if report.returned:
        solved = "0 is random play (or a poor equilibrium), 1 the reference; more is better"
    parts.append(Text(f"Sandbox {report.sandbox}; {solved}.", style="dim"))
    return Group(*parts)


def _standings(report: Report) -> Table:
    shown = _horizons(report)
    heading = "Standings by geometric mean of exploitability at the end"
    if report.returned:
        heading = "Standings by mean normalised return at the end"
    table = Table("program", title=heading, title_justify="left")
    for column in ("score", "±") if report.repeats > 1 else ("score",):
        table.add_column(column, justify="right")
    for _, when in shown:
        table.add_column(when, justify="right")
    for column in ("mean rank", "seconds"):
        table.add_column(column, justify="right")
    for row in standings(report):
        spread = [f"{row.spread:.3f}" if row.spread is not None else "-"] if report.repeats > 1 else []
        if row.failed:
            table.add_row(safe(row.program), Text("; ".join(row.failed), style="red"))
            continue
        means = [f"{row.geometric_means[i]:.2e}" for i, _ in shown] if row.geometric_means else []
        means = [f"{row.returns[i]:.3f}" for i, _ in shown] if row.returns else means
        rank = f"{row.rank:.2f}" if row.rank is not None else "-"
        table.add_row(safe(row.program), figure(row.score), *spread, *means, rank, f"{row.seconds:.1f}")
    return table


def _horizons(report: Report) -> list[tuple[int, str]]:
    """(index, name) of a few checkpoints, the last one included; as shares of the run where games differ in
    their length."""
    iterations = next((cell.iterations for cell in report.cells if cell.iterations), [])
    step = max(1, len(iterations) // HORIZONS_SHOWN)
    chosen = sorted(range(len(iterations) - 1, -1, -step)[:HORIZONS_SHOWN])
    if report.returned:
        return [(i, f"at {iterations[i] / iterations[-1]:.0%}") for i in chosen]
    return [(i, f"at {int(iterations[i])}") for i in chosen]


def _games(report: Report, games: tuple[str, ...]) -> Table:
    what = "Normalised return" if report.returned else "Exploitability"
    table = Table("program", title=f"\n{what} at the end", title_justify="left")
    for game in games:
        table.add_column(safe(game), justify="right")
    top = {game: _best(report, game) for game in games}
    for row in standings(report):
        values = [(_end(report, row.program, game), top[game]) for game in games]
        table.add_row(safe(row.program), *[_value(value, best, report.returned) for value, best in values])
    return table


def _best(report: Report, game: str) -> float | None:
    ends = [end for program in report.programs if (end := _end(report, program, game)) is not None]
    return (max if report.returned else min)(ends, default=None)


def _end(report: Report, program: str, game: str) -> float | None:
    cells = [cell for cell in report.of(program, game) if cell.result.status == "ok"]
    if not cells:
        return None
    if report.returned:
        return statistics.fmean(cell.returns[-1] for cell in cells)
    return geometric_mean([cell.exploitability[-1] for cell in cells])


def _value(value: float | None, best: float | None, returned: bool) -> Text:
    if value is None:
        return Text("failed", style="red")
    text = f"{value:.3f}" if returned else f"{value:.2e}" if value > FLOOR else "solved"
    return Text(text, style="bold green" if value == best or (not returned and value <= FLOOR) else "")


def _discrimination(report: Report) -> Table:
    table = Table("game", title="\nWhat the games tell apart", title_justify="left")
    columns = ("reached by" if report.returned else "solved by", "best", "median", "noise")
    for column in columns if report.repeats > 1 else columns[:-1]:
        table.add_column(column, justify="right")
    for row in discrimination(report):
        noise = [f"x{row.noise:.2f}"] if row.noise is not None else []
        values = [f"{max(value, FLOOR):.2e}" for value in (row.best, row.median)]
        if report.returned:
            noise = [f"{row.noise:.3f}"] if row.noise is not None else []
            values = [f"{value:.3f}" for value in (row.best, row.median)]
        table.add_row(safe(row.game), f"{row.solved}/{len(report.programs)}", *values, *noise)
    return table
