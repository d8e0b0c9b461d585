"""Lessons for reading: one line, one page, or the answer to a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.text import short
from equilibrist.render import figure, safe
from memory.events import Event
from memory.ranking import Recalled
from memory.records import Lesson

if TYPE_CHECKING:  # it imports LangChain, which takes a second
    from agents.librarian import Answer

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
    text.append(short(lesson.text), style="default")
    counts = f"  [{len(lesson.supported_by)} for, {len(lesson.contradicted_by)} against]"
    return text.append(counts, style="dim")


def page(
    console: Console,
    laboratory: Laboratory,
    lesson: Lesson,
    known: Mapping[str, Lesson] | None = None,
    indent: str = "",
) -> None:
    """A lesson with how sure we are, the experiments behind it, and the lessons that say the opposite or
    that it was drawn from."""
    console.print(Text(indent).append_text(line(lesson)), soft_wrap=True)
    if lesson.observation:
        console.print(Text(f"{indent}   measured: {short(lesson.observation)}"), soft_wrap=True)
    told = f"{SURE[lesson.status]} ({short(lesson.reason)})" if lesson.reason else SURE[lesson.status]
    console.print(Text(f"{indent}   how sure: {told}", style="dim"), soft_wrap=True)
    for row in evidence(laboratory, lesson):
        gain = "" if row["improvement"] is None else f", {row['improvement']:+.4f} on its parent"
        score = figure(row["score"]).strip()
        text = (
            f"{indent}   {row['side']} {row['experiment']}: program {row['program_id']}, score {score}{gain}"
        )
        console.print(Text(text), soft_wrap=True)
    for title, names in (("says the opposite", lesson.against), ("drawn from", lesson.sources)):
        for name in names:
            other = (known or {}).get(name)
            shown = line(other) if other else Text(f"{name} (not known here)")
            console.print(Text(f"{indent}   {title}: ").append_text(shown), soft_wrap=True)


def evidence(laboratory: Laboratory, lesson: Lesson) -> list[dict[str, Any]]:
    """The experiments for and against a lesson, each with what it measured; none is left out when its
    session is gone."""
    rows = [("for", name) for name in lesson.supported_by] + [
        ("against", name) for name in lesson.contradicted_by
    ]
    return [_evidence(laboratory, side, name) for side, name in rows]


def _evidence(laboratory: Laboratory, side: str, name: str) -> dict[str, Any]:
    session, _, number = name.rpartition("/")
    view = laboratory.session(session)
    row = view.rows.get(int(number)) if view and number.isdecimal() else None
    return {
        "side": side,
        "experiment": name,
        "open": f"equilibrist transcript {session} --experiment {number}",
        "program_id": row.program_id or None if row else None,
        "score": row.score if row else None,
        "improvement": row.gain if row else None,
    }


def history(console: Console, events: Sequence[Event]) -> None:
    """What happened to a lesson, oldest first, each step with its reason and experiment."""
    console.print(Text("   history:", style="dim"))
    for row in history_json(events):
        of = f" by {row['experiment']}" if row["experiment"] else ""
        reason = f": {short(row['reason'])}" if row["reason"] else ""
        console.print(Text(f"   {row['time'][:19]} {row['step']}{of}{reason}", style="dim"), soft_wrap=True)


def history_json(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [
        {
            "time": event.time,
            "step": event.kind.removeprefix("lesson_"),
            "experiment": (event.data.get("evidence") or {}).get("experiment"),
            "reason": event.data.get("reason", ""),
            "lesson": event.data.get("id"),
        }
        for event in events
        if event.kind != "lesson_credited"
    ]


def overview(found: Sequence[Recalled]) -> str:
    """What the lessons say together, and how sure that is, in a sentence or two."""
    lessons = [item.lesson for item in found]
    parts = []
    for verb, sign in (("tell of a gain", 1), ("tell of a loss", -1)):
        effects = sorted(x.effect for x in lessons if x.effect and x.effect * sign > 0)
        if effects:
            parts.append(f"{len(effects)} {verb} ({effects[0]:+.3f} to {effects[-1]:+.3f})")
    confirmed = sum(x.status == "supported" for x in lessons)
    disputed = sum(x.status == "contradicted" or bool(x.against) for x in lessons)
    told = f"{len(lessons)} lessons bear on it" + (f": {', '.join(parts)}." if parts else ".")
    sure = f" {confirmed} of them confirmed by independent experiments"
    if not confirmed:
        sure = " None of them is confirmed yet, so treat this as a hint"
    return told + sure + (f"; {disputed} disputed, see below." if disputed else ".")


def answer(
    console: Console,
    laboratory: Laboratory,
    found: Sequence[Recalled],
    known: Mapping[str, Lesson],
    written: Answer | None,
) -> None:
    """The answer to a question: what a model writes, if one was asked; the ranked lessons with their
    evidence. ``known``: the lessons found and those that they refer to."""
    if not found:
        console.print("Memory knows nothing about that. 'equilibrist memory list' shows what it knows.")
        return
    if written is not None:
        console.print(Text(safe(written.text)), soft_wrap=True)
        if written.unknown:
            console.print(Text(f"Made up, no such lesson: {', '.join(written.unknown)}", style="red"))
        if written.knows and not written.unknown:
            console.print(Text(f"Rests on {len(written.cites)} lessons, shown below.", style="dim"))
        elif not written.cites and not written.text.startswith("Memory does not know"):
            console.print(Text("This answer cites no lesson: do not rely on it.", style="red"))
        console.print()
    console.print(overview(found), soft_wrap=True)
    for rank, item in enumerate(found, 1):
        console.print(Text(f"{rank}. ({item.score:.2f}: {short(item.why)})", style="dim"))
        page(console, laboratory, item.lesson, known, "   ")
    where = next((name for item in found for name in item.lesson.supported_by if "/" in name), None)
    if where:
        session, _, number = where.rpartition("/")
        console.print(Text(f"Open one: equilibrist transcript {session} --experiment {number}", style="dim"))


def answer_json(
    laboratory: Laboratory, question: str, found: Sequence[Recalled], written: Answer | None
) -> dict[str, Any]:
    return {
        "question": question,
        "answer": written.model_dump(mode="json") if written else None,
        "overview": overview(found) if found else "Memory knows nothing about that.",
        "lessons": [
            {
                "score": item.score,
                "why": item.why,
                **item.lesson.model_dump(mode="json"),
                "how_sure": SURE[item.lesson.status],
                "evidence": evidence(laboratory, item.lesson),
            }
            for item in found
        ],
    }


def _effect(lesson: Lesson) -> str:
    if lesson.effect is None:
        return ""
    spread = f" ± {lesson.spread:.3f}" if lesson.spread is not None else ""
    return f"{lesson.effect:+.3f}{spread} "
