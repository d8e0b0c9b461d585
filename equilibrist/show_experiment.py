"""One experiment for reading: from the hypothesis to the later proposals that its lessons influenced."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from equilibrist.errors import Usage
from equilibrist.home import find_session
from equilibrist.lessons import line as lesson_line
from equilibrist.options import emit
from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.text import short
from equilibrist.reading.view import Row, SessionView
from equilibrist.render import STATUS_STYLE, figure, log10, safe, sparkline
from equilibrist.terminal import paged
from memory.records import Experiment


def show_experiment(console: Console, home: Path, session: str, number: int, as_json: bool) -> None:
    """Raises Usage when the session has no such experiment."""
    known = Laboratory(home)
    view = known.session(find_session(home, session).name)
    record = view.experiment(number) if view else None
    if view is None or record is None:
        done = f"1 to {max(view.rows)}" if view and view.rows else "none yet"
        raise Usage(f"{session} has no finished experiment {number}. Finished: {done}.")
    if as_json:
        emit(record.model_dump(mode="json"))
        return
    with paged(console) as shown:
        for part in _parts(known, view, record, view.rows[number]):
            shown.print(part, soft_wrap=not isinstance(part, Table))


def _parts(known: Laboratory, view: SessionView, record: Experiment, row: Row) -> Iterator[RenderableType]:
    yield Text.assemble(
        (f"Experiment {row.number} of {view.name}  ", "bold"),
        (row.status, STATUS_STYLE.get(record.result.status, "")),
        f"  score {figure(row.score).strip()}",
        "" if row.gain is None else f"  gain {row.gain:+.4f}",
        (f"  {safe(row.operator)} {row.program_id}", "dim"),
    )
    if row.message:
        yield Text(short(row.message, 2000), style="red")
    yield _head("Hypothesis")
    yield Text(short(record.proposal.hypothesis) if record.proposal else "No program was submitted.")
    lessons = known.lessons()
    for name in row.lessons_in:
        yield Text("  was shown ", style="dim").append_text(
            lesson_line(lessons[name]) if name in lessons else Text(name)
        )
    yield _head("Critic")
    for verdict in record.verdicts:
        style = {"approve": "green", "reject": "red"}.get(verdict.decision, "yellow")
        yield Text.assemble((verdict.decision, style), (f" by {verdict.by}: ", "dim"), short(verdict.reasons))
    parent = view.by_program.get(row.parent_id)
    if record.proposal and parent:
        yield _head(f"Difference from {parent.name} (score {figure(parent.score).strip()})")
        yield difference(view.result(parent)[0], record.proposal.source)
    yield _head("Run")
    yield _games(record, parent)
    if record.result.output:
        yield Text(short(record.result.output, 4000), style="dim")
    yield _head("Lessons out, and the later proposals that were shown them")
    for name in row.lessons_out:
        if name in lessons:
            yield lesson_line(lessons[name])
            told = [
                f"{one.session} {one.row.name} {figure(one.row.gain).strip()}"
                for one in known.influence(name)
            ]
            yield Text("   " + ("; ".join(told[:12]) or "none yet"), style="dim")
    yield Text(f"\nequilibrist transcript {view.name} --experiment {row.number}   what was said", style="dim")


def difference(before: str, after: str) -> Text:
    """Unified diff, coloured, without padding."""
    old, new = short(before).splitlines(), short(after).splitlines()
    lines = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    return Syntax("", "diff", background_color="default").highlight("\n".join(lines))


def _games(record: Experiment, parent: Row | None) -> Table:
    table = Table("game", box=None, pad_edge=False, header_style="dim")
    for column in ("score", "parent", "gain"):
        table.add_column(column, justify="right")
    table.add_column("exploitability", no_wrap=True)
    for game, score in record.result.games.items():
        old = parent.games.get(game) if parent else None
        curve = record.result.curves.get(game, {}).get("exploitability", [])
        line = sparkline([log10(v) if math.isfinite(v) else v for v in curve])
        gain = "" if old is None else f"{score - old:+.4f}"
        last = f" {curve[-1]:.3g}" if curve else ""
        table.add_row(safe(game), figure(score), figure(old), gain, line + last)
    return table


def _head(text: str) -> Text:
    return Text(f"\n{text}", style="bold")
