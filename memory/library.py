"""All that a home's sessions have learnt: questions to it, and what a person may do about it.

What belongs to no session (lessons added by hand or imported, retirements, merges) is written to
``<home>/memory/journal.jsonl``. Questions are answered from the Chroma index; while another process has
it, from the journals themselves.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from pydantic import ValidationError

from memory.chroma import Index, IndexDamaged, open_index, remove_index
from memory.embedder import Embedder
from memory.gathering import gather, progress
from memory.journal import Journal, JournalError, read_session
from memory.lessons import NEAR, added, clean, cleaned, fold, relation
from memory.ranking import TRUST, Recalled, Shelf, choose, usefulness
from memory.records import Lesson, LessonDraft
from sandbox.job import Record

_CANDIDATES = 64


class Filter(Record):
    """Which lessons a question is about. Empty fields do not restrict; retired ones only come by status."""

    problem: str = ""
    kind: str = ""
    status: str = ""
    session: str = ""
    games: tuple[str, ...] = ()
    since: str = ""
    """ISO date or time."""

    def admits(self, lesson: Lesson) -> bool:
        equal = all(not getattr(self, x) or getattr(self, x) == getattr(lesson, x) for x in _EQUAL)
        games = not self.games or bool(set(self.games) & set(lesson.games))
        return (
            equal
            and games
            and lesson.created >= self.since
            and (bool(self.status) or lesson.status != "retired")
        )


_EQUAL = ("problem", "kind", "status", "session")


class Library:
    """``url``: a Chroma server to share lessons over; the folder ``<home>/memory/chroma`` otherwise."""

    def __init__(self, home: Path, embedder: Embedder, url: str | None = None) -> None:
        self._home, self._embedder, self._url = home, embedder, url
        self._folder = home / "memory" / "chroma"
        self._index: Index | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def lessons(self) -> dict[str, Lesson]:
        """Every lesson by id, retired ones too, from the journals."""
        return fold(gather(self._home))

    def query(self, question: str, k: int = 8, only: Filter | None = None) -> list[Recalled]:
        """Lessons that answer a question, best first; none when memory knows nothing of it."""
        only = only or Filter()
        vector = self._embedder.embed([question])[0]
        found = [pair for pair in self._candidates(question, vector, only) if only.admits(pair[0])]
        if not found:
            return []
        lessons = [lesson for lesson, _ in found]
        shelf = Shelf(len(vector))
        shelf.add([(lesson.id, lesson.text) for lesson in lessons], np.stack([row for _, row in found]))
        use = usefulness(np.array([x.shown for x in lessons]), np.array([x.helped for x in lessons]))
        trust = np.array([TRUST[lesson.status] or 0.5 for lesson in lessons])
        ranked = shelf.rank(question, vector, trust * use)
        rows = [
            (lessons[r], shelf.vectors[r], cosine, matched, float(use[r])) for r, cosine, matched in ranked
        ]
        return choose(rows, only.games, k)

    def add(self, problem: str, draft: LessonDraft) -> str:
        """A person's lesson; returns its id. It waits in quarantine for two experiments to agree."""
        return self._write([("lesson_added", added(problem, cleaned(draft), None, session="", against=[]))])[
            0
        ]

    def retire(self, lesson: str, reason: str) -> None:
        """Take a lesson out of recall. Raises KeyError when there is none with that id."""
        if lesson not in self.lessons():
            raise KeyError(lesson)
        self._write([("lesson_retired", {"id": lesson, "reason": clean(reason, 500)})])

    def merge_duplicates(self) -> list[tuple[str, str]]:
        """Merge lessons that sessions running side by side worded alike; returns (merged, into) pairs."""
        kept: list[Lesson] = []
        merged: list[tuple[str, str]] = []
        alive = [lesson for lesson in self.lessons().values() if lesson.status != "retired"]
        shelf = Shelf(self._embedder.embed([""]).shape[1])
        for lesson in alive:
            vector = self._embedder.embed([lesson.text])
            draft = LessonDraft(text=lesson.text, kind=lesson.kind, effect=lesson.effect)
            near = [kept[shelf.row[name]] for name in shelf.near(vector[0], NEAR)]
            same = [x for x in near if x.problem == lesson.problem and relation(x, draft) == "same"]
            if same:
                merged.append((lesson.id, same[0].id))
            else:
                kept.append(lesson)
                shelf.add([(lesson.id, lesson.text)], vector)
        reason = "worded alike"
        self._write([("lesson_merged", {"id": a, "into": b, "reason": reason}) for a, b in merged])
        return merged

    def export(self) -> Iterator[str]:
        """One lesson per line, as JSON."""
        return (lesson.model_dump_json() for lesson in self.lessons().values() if lesson.status != "retired")

    def import_lines(self, lines: Iterable[str]) -> int:
        """Take in what another laboratory exported; returns how many were new.

        They start in quarantine: what is claimed for them there is kept as text, not as evidence here. Raises
        ValueError, with the line's number, before anything is written when a line is no lesson.
        """
        lessons = []
        for number, line in enumerate(lines, 1):
            try:
                lessons += [Lesson.model_validate_json(line)] if line.strip() else []
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"]))
                raise ValueError(f"line {number} is no lesson: {where} {fault['msg']}") from None
        return self._take_in(lessons)

    def pull(self) -> int:
        """Import what other laboratories have put on the server; returns how many were new."""
        index = self._opened()
        return self._take_in(index.others()) if index else 0

    def sync(self) -> bool:
        """Bring the index up to date; False when another process has it (which will)."""
        return self._opened() is not None

    def rebuild(self) -> None:
        """Delete the index in the folder and make it anew. Raises BlockingIOError when another has it."""
        self.close()
        remove_index(self._folder)
        self._index = self._open()
        self._refresh(self._index)

    def _take_in(self, lessons: Sequence[Lesson]) -> int:
        known = self.lessons()
        events: dict[str, tuple[str, dict[str, Any]]] = {}
        for lesson in lessons:
            draft = LessonDraft(
                text=lesson.text, kind=lesson.kind, games=lesson.games, observation=_claims(lesson)
            )
            data = added(clean(lesson.problem, 200), cleaned(draft), None, session="", against=[])
            if data["id"] not in known and data["text"]:
                events.setdefault(data["id"], ("lesson_added", data))
        self._write(list(events.values()))
        return len(events)

    def _write(self, events: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
        if events:
            self._laboratory()
            with Journal.open(self._home / "memory", wait=10.0) as journal:
                journal.extend([(kind, data["id"], data) for kind, data in events])
        return [data["id"] for _, data in events]

    def _laboratory(self) -> str:
        """A name for this home, made once, by which a shared server tells whose a record is."""
        folder = self._home / "memory"
        if not (folder / "session.json").exists():
            try:
                Journal.create(folder, {"laboratory": secrets.token_hex(6)}, wait=10.0).close()
            except JournalError:
                if not (folder / "session.json").exists():  # else another process was quicker
                    raise
        return str(read_session(folder).get("laboratory", "home"))

    def _candidates(self, question: str, vector: np.ndarray, only: Filter) -> list[tuple[Lesson, np.ndarray]]:
        """More than enough from the index; everything when there is none or the filter needs it."""
        index = None if only.status == "retired" or only.games or only.since else self._opened()
        if index is not None:
            where = {name: getattr(only, name) for name in _EQUAL if getattr(only, name)}
            try:
                return index.near(vector, _CANDIDATES, where, _names(question))
            except IndexDamaged:
                self._rebuilt()  # for the next question; this one is answered from the journals
        lessons = [lesson for lesson in self.lessons().values() if only.admits(lesson)]
        return (
            list(zip(lessons, self._embedder.embed([x.text for x in lessons]), strict=True))
            if lessons
            else []
        )

    def _opened(self) -> Index | None:
        """The index, up to date; None while another process has it or where it cannot be written."""
        try:
            if self._index is None:
                self._index = self._open()
            self._refresh(self._index)
        except IndexDamaged as error:
            if self._url:
                raise ConnectionError(f"the Chroma server at {self._url} cannot be used: {error}") from error
            return self._rebuilt()
        except (OSError, JournalError):
            return None
        return self._index

    def _rebuilt(self) -> Index | None:
        try:
            self.rebuild()
        except (OSError, JournalError, IndexDamaged):
            return None
        return self._index

    def _open(self) -> Index:
        return open_index(self._folder, self._embedder.name, self._laboratory(), self._url)

    def _refresh(self, index: Index) -> None:
        state = index.state.get("journals", {})
        now = progress(self._home, state)
        if state and {name: n for name, (_, n) in now.items()} == {name: n for name, (_, n) in state.items()}:
            return
        lessons = [lesson for lesson in self.lessons().values() if lesson.status != "retired"]
        index.sync(lessons, self._embedder.embed, {"journals": now})


def _names(question: str) -> list[str]:
    """Words of a question that an embedder may not know: names from programs, acronyms, numbers."""
    return [word for word in re.findall(r"[\w.+]+", question) if re.search(r"\d|_|[A-Z]{2}", word)][:2]


def _claims(lesson: Lesson) -> str:
    parts = [lesson.observation, f"Imported; there it was {lesson.status}"]
    if lesson.supported_by:
        parts.append(f"supported by {', '.join(lesson.supported_by[:10])}")
    if lesson.effect is not None:
        parts.append(f"effect {lesson.effect:+.4g}")
    return "; ".join(part for part in parts if part)
