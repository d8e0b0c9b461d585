"""What of a session is listed: parts of the table of experiments, programs worth a curve, control arms."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.view import Row, SessionView
from equilibrist.render import STATUS_STYLE
from memory.records import Lesson

PART = 100
"""Rows that are sent at a time."""
SORTS = {
    "newest": "newest first",
    "oldest": "oldest first",
    "score": "best score first",
    "gain": "greatest gain first",
}
Side = tuple[SessionView, Row | None]


def chosen(view: SessionView, asked: Mapping[str, str]) -> dict[str, Any]:
    """The part of the experiments that was asked for: ``status``, ``q`` (text), ``sort``, ``from``."""
    status, query = asked.get("status", ""), asked.get("q", "").strip()
    sort = asked.get("sort", "newest") if asked.get("sort", "newest") in SORTS else "newest"
    start = int(asked.get("from", "0")) if asked.get("from", "0").isdecimal() else 0
    every = view.experiments
    found = [row for row in every if (not status or row.status == status) and _holds(row, query.casefold())]
    if sort == "newest":
        found.reverse()
    elif sort == "score":
        found.sort(key=lambda row: -(row.score if row.complete and row.score is not None else float("-inf")))
    elif sort == "gain":
        found.sort(key=lambda row: -(row.gain if row.gain is not None else float("-inf")))
    tally = {name: sum(row.status == name for row in every) for name in STATUS_STYLE}
    return {
        "part": found[start : start + PART],
        "following": start + PART if len(found) > start + PART else None,
        "found": len(found),
        "asked": {"status": status, "q": query, "sort": sort},
        "sorts": SORTS,
        "tally": {name: count for name, count in tally.items() if count},
    }


def _holds(row: Row, query: str) -> bool:
    words = (
        f"{row.name} {row.program_id} {row.operator} {row.author} {row.status} {row.hypothesis} {row.message}"
    )
    return all(word in words.casefold() for word in query.split())


def best_so_far(rows: Sequence[Row]) -> list[tuple[int, float]]:
    """(number, best score over every game until then), from the first score on."""
    best, climb = -math.inf, []
    for row in rows:
        if row.complete and row.score is not None:
            best = max(best, row.score)
        if math.isfinite(best) and row.number is not None:
            climb.append((row.number, best))
    return climb


def rate(rows: Sequence[Row]) -> float | None:
    """Experiments per minute over the last twenty."""
    last = rows[-20:]
    if len(last) < 2:
        return None
    first, end = (datetime.fromisoformat(row.time) for row in (last[0], last[-1]))
    minutes = (end - first).total_seconds() / 60
    return (len(last) - 1) / minutes if minutes > 0 else None


def exemplars(view: SessionView) -> list[Row]:
    """Programs whose curves are overlaid: the best of the session, then the best baselines."""
    own = [row for row in view.ranked if row.number is not None][:2]
    known = [row for row in view.ranked if row.number is None]
    names = {row.name for row in known[:4]}
    return own + [row for row in known if row.name in names or row.name in ("cfr", "cfr_plus")]


def arms(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Experiments by control arm, author, and whether they were shown lessons; empty where all are alike."""
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.arm, row.author or "unknown", bool(row.lessons_in)), []).append(row)
    if len(groups) < 2:
        return []
    return [_arm(name, author, shown, part) for (name, author, shown), part in sorted(groups.items())]


def _arm(name: str, author: str, shown: bool, rows: Sequence[Row]) -> dict[str, Any]:
    gains = [row.gain for row in rows if row.gain is not None]
    scores = [row.score for row in rows if row.complete and row.score is not None]
    return {
        "arm": name,
        "author": author,
        "lessons": shown,
        "count": len(rows),
        "ok": sum(row.status == "ok" for row in rows),
        "improved": sum(gain > 0 for gain in gains),
        "gain": statistics.median(gains) if gains else None,
        "best": max(scores, default=None),
    }


def by_effect(lessons: Iterable[Lesson]) -> list[Lesson]:
    return sorted(lessons, key=lambda lesson: -(lesson.effect or 0.0))


def named(known: Laboratory, name: str) -> Side | None:
    """``SESSION`` or ``SESSION/PROGRAM``; None when there is nothing of that name."""
    session, _, program = name.partition("/")
    view = known.session(session)
    if view is None or not program:
        return (view, None) if view else None
    row = view.find(program)
    return (view, row) if row else None


def labels(pairs: Sequence[tuple[SessionView, Row]]) -> list[str]:
    """Names of two programs, told apart."""
    (a, first), (b, second) = pairs
    if a is b and first.name != second.name:
        return [first.name, second.name]
    return [f"{a.name} {first.name}", f"{b.name} {second.name}" + (" (again)" if first is second else "")]
