"""A report as files: ``report.html`` that needs nothing beside it, ``report.md`` with ``figures/*.svg``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from equilibrist.errors import Usage
from equilibrist.reading import charts, text
from equilibrist.reading.laboratory import Laboratory
from equilibrist.report.facts import Facts, gather
from memory.files import write_atomically

HERE = Path(__file__).parent


def report(home: Path, session: str, folder: Path) -> tuple[Path, Path]:
    """Write both forms into ``folder``; returns their paths.

    Raises:
        Usage: no such session, or the folder cannot be written to.
    """
    known = Laboratory(home)
    view = known.session(session)
    if view is None:
        raise Usage(f"There is no session {session}.")
    facts = gather(known, view)
    figures = draw(facts)
    shown = {"f": facts, "figures": figures, "difference": _difference(facts)}
    page = _templates(html=True).get_template("report.html").render(**shown)
    plain = _templates(html=False).get_template("report.md").render(**shown)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for name, svg in figures.items():
            write_atomically(folder / "figures" / f"{name}.svg", svg.encode("utf-8", "replace"))
        write_atomically(folder / "report.html", page.encode("utf-8", "replace"))
        write_atomically(folder / "report.md", plain.encode("utf-8", "replace"))
    except OSError as error:
        raise Usage(
            f"{folder} cannot be written to: {error.strerror or error}. Choose another with --out."
        ) from error
    return folder / "report.html", folder / "report.md"


def draw(facts: Facts) -> dict[str, str]:
    """Figures by name, as SVG; only those that have something to show."""
    view, bar = facts.view, facts.bar
    made = {}
    if view.experiments:
        made["lineage"] = charts.lineage(view.experiments, view.baselines, list(facts.line))
        sessions = {"best so far": view.experiments}
        made["progress"] = charts.progress(sessions, bar.score if bar else None)
    if burnt := charts.burn_down(view.experiments, view.costs, view.config):
        made["budget"] = burnt
    if facts.best and facts.result:
        beside = {facts.best.name: facts.result}
        for row in view.ranked:
            if row.number is None and len(beside) < 6:
                beside[row.name] = view.result(row)[1]
        made["curves"] = charts.convergence(beside)
    return {name: svg for name, svg in made.items() if svg}


def _difference(facts: Facts) -> list[text.Line]:
    """From the known rule at the root of the line to the best program."""
    if len(facts.line) < 2:
        return []
    try:
        return text.difference(facts.view.result(facts.line[0])[0], facts.source)
    except KeyError:
        return []


def _templates(html: bool) -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=html,
        finalize=text.finish,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=_number, signed=_signed, code=text.code, short=text.short)
    made.filters.update(cell=_cell, fence=_fence, compared=_compared, better=_better)
    return made


def _number(value: Any, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else ""


def _signed(value: Any) -> str:
    return f"{value:+.4f}" if isinstance(value, int | float) else ""


def _compared(part: dict[str, Any]) -> str:
    """What a confirmation's table compares."""
    gains = any(one.get("gain") is not None for one in part["against"])
    return "gain in normalised return" if gains else "ratio of exploitability"


def _better(one: dict[str, Any], which: str = "") -> str:
    """The ratio or the gain over one baseline, in the mean or where it is ``worst``; empty where a run
    failed."""
    gain = one.get("gain")
    value = one["worst"] if which else one["ratio"] if gain is None else gain
    return "" if value is None else f"{value:.3g}" if gain is None else f"{value:+.3f}"


def _cell(value: Any) -> str:
    """Text that stays one cell of a Markdown table, and no markup of its own."""
    plain = " ".join(text.short(str(value)).split())
    for mark in "\\`*_{}[]<>|#":
        plain = plain.replace(mark, "\\" + mark)
    return plain


def _fence(value: Any, language: str = "") -> str:
    """A code block whose fence is longer than any in the text."""
    plain = text.short(str(value)).rstrip("\n")
    ticks = "```"
    while ticks in plain:
        ticks += "`"
    return f"{ticks}{language}\n{plain}\n{ticks}"
