"""Lessons for reading: one line, one page, or the answer to a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from equilibrist.home import SESSIONS
from equilibrist.render import figure, safe
from memory.archive import Archive
from memory.events import JournalError
from memory.journal import Journal
from memory.ranking import Recalled
from memory.records import Lesson

STATUS_STYLE = {"supported": "green", "contradicted": "red", "quarantined": "yellow", "retired": "dim"}
SURE = {
    "supported": "two or more independent experiments agree",
    "quarantined": "not yet confirmed by a second, independent experiment",
    "contradicted": "experiments disagree",
    "retired": "out of use",
}


def line(lesson: Lesson) -> Text:
    """A lesson in one line, its evidence in numbers."""
    text = Text(f"{lesson.id} ", style="bold")
    text.append(f"{lesson.status} ", style=STATUS_STYLE[lesson.status])
    text.append(f"{lesson.kind} {_effect(lesson)}", style="cyan")
    text.append(safe(lesson.text), style="default")
    counts = f"  [{len(lesson.supported_by)} for, {len(lesson.contradicted_by)} against]"
    return text.append(counts, style="dim")


def page(console: Console, home: Path, lesson: Lesson, indent: str = "") -> None:
    """A lesson with how sure we are and the experiments behind it."""
    console.print(Text(indent).append_text(line(lesson)), soft_wrap=True)
    if lesson.observation:
        console.print(Text(f"{indent}   measured: {safe(lesson.observation)}"), soft_wrap=True)
    console.print(Text(f"{indent}   how sure: {SURE[lesson.status]}", style="dim"), soft_wrap=True)
    for row in evidence(home, lesson):
        gain = "" if row["improvement"] is None else f", {row['improvement']:+.4f} on its parent"
        score = figure(row["score"]).strip()
        text = (
            f"{indent}   {row['side']} {row['experiment']}: program {row['program_id']}, score {score}{gain}"
        )
        console.print(Text(text), soft_wrap=True)


def evidence(home: Path, lesson: Lesson) -> list[dict[str, Any]]:
    """The experiments for and against a lesson, each with what it measured; none is left out when its
    session is gone."""
    rows = [("for", name) for name in lesson.supported_by] + [
        ("against", name) for name in lesson.contradicted_by
    ]
    archives: dict[str, Archive | None] = {}
    return [_evidence(home, side, name, archives) for side, name in rows]


def _evidence(home: Path, side: str, name: str, archives: dict[str, Archive | None]) -> dict[str, Any]:
    session, _, number = name.rpartition("/")
    if session not in archives:
        try:
            archives[session] = Archive.of(Journal.view(home / SESSIONS / session))
        except JournalError:
            archives[session] = None
    archive = archives[session]
    experiment = archive.experiment(int(number)) if archive and number.isdigit() else None
    row: dict[str, Any] = {
        "side": side,
        "experiment": name,
        "program_id": None,
        "score": None,
        "improvement": None,
    }
    if archive and experiment:
        proposal = experiment.proposal
        row["program_id"] = proposal.program_id if proposal else None
        row["score"] = experiment.result.score
        row["improvement"] = archive.improvement(experiment)
    return row


def answer(
    console: Console, home: Path, question: str, found: Sequence[Recalled], known: Mapping[str, Lesson]
) -> None:
    """The answer to a question: ranked lessons, each with its evidence."""
    if not known:
        console.print("Memory is empty. A session fills it: equilibrist run regret")
        return
    if not found:
        console.print("Memory knows nothing about that.")
        return
    sure = sum(item.lesson.status == "supported" for item in found)
    console.print(f"{len(found)} of {len(known)} lessons bear on it; {sure} of them confirmed.")
    for rank, item in enumerate(found, 1):
        console.print(Text(f"{rank}. ({item.score:.2f}: {safe(item.why)})", style="dim"))
        page(console, home, item.lesson, "   ")
    where = next((name for item in found for name in item.lesson.supported_by if "/" in name), None)
    if where:
        session, _, number = where.rpartition("/")
        console.print(Text(f"Open one: equilibrist transcript {session} --experiment {number}", style="dim"))


def answer_json(home: Path, question: str, found: Sequence[Recalled]) -> dict[str, Any]:
    return {
        "question": question,
        "lessons": [
            {
                "score": item.score,
                "why": item.why,
                **item.lesson.model_dump(mode="json"),
                "evidence": evidence(home, item.lesson),
            }
            for item in found
        ],
    }


def _effect(lesson: Lesson) -> str:
    if lesson.effect is None:
        return ""
    spread = f" ± {lesson.spread:.3f}" if lesson.spread is not None else ""
    return f"{lesson.effect:+.3f}{spread} "
