"""All that a home's sessions have learnt: questions to it, and what a person may do about it.

What belongs to no session (lessons added by hand or imported, retirements, merges) is written to
``<home>/memory/journal.jsonl``. Questions are answered from the Chroma index; while another process has
it, from the journals themselves.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from memory.chroma import Index, IndexDamaged, open_index, remove_index
from memory.embedder import Embedder
from memory.events import Event
from memory.gathering import gather, progress
from memory.journal import Journal, JournalError, read_session
from memory.lessons import NEAR, added, clean, cleaned, fold, group, relation
from memory.mirror import Filter, Mirror
from memory.ranking import Recalled, Shelf, names, parts
from memory.records import Lesson, LessonDraft
from memory.tidying import principles, useless
from sandbox.job import Record

LINE_LIMIT = 1_000_000
"""Characters of a line of an import; a lesson of ours has a few thousand."""
_CANDIDATES = 64
_ID = re.compile(r"[0-9a-f]{12}")


class Tidied(Record):
    merged: tuple[tuple[str, str], ...]
    """(merged, into) ids."""
    principles: tuple[str, ...]
    """Ids of those that were drawn."""
    retired: tuple[str, ...]


class Library:
    """``url``: a Chroma server to share lessons over; the folder ``<home>/memory/chroma`` otherwise."""

    def __init__(self, home: Path, embedder: Embedder, url: str | None = None) -> None:
        self._home, self._embedder, self._url = home, embedder, url
        self._folder = home / "memory" / "chroma"
        self._index: Index | None = None
        self._indexed: dict[str, list[int]] = {}
        """How far the journals had come when the index was last seen to hold them."""
        self._asked = False
        self._mirror: Mirror | None = None
        self._mirrored: dict[str, list[int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
            self._indexed = {}

    def lessons(self) -> dict[str, Lesson]:
        """Every lesson by id, retired ones too, from the journals."""
        return fold(gather(self._home))

    def related(self, lessons: Iterable[Lesson]) -> dict[str, Lesson]:
        """Those lessons by id and the ones that they refer to. These are looked up in the index; the journals
        are read, all of them, only where it lacks one, as it does retired ones."""
        found = {lesson.id: lesson for lesson in lessons}
        wanted = {name for x in found.values() for name in (*x.against, *x.sources)} - found.keys()
        if wanted and self._index is not None:
            with suppress(IndexDamaged):
                found |= {lesson.id: lesson for lesson in self._index.named(sorted(wanted))}
        missing = wanted - found.keys()
        known = self.lessons() if missing else {}
        return found | {name: known[name] for name in missing if name in known}

    def query(self, question: str, k: int = 8, only: Filter | None = None) -> list[Recalled]:
        """Lessons that answer a question, best first; none when memory knows nothing of it.

        Chroma spares a first question the reading of all lessons. Whoever asks again has them ranked in
        memory, which costs less than looking up names and filters in Chroma.
        """
        only = only or Filter()
        vectors = self._embedder.embed(parts(question))
        first, self._asked = not self._asked, True
        if only.status != "retired" and (self._url or first):
            index = self._opened()
            try:
                found = index.near(vectors, _CANDIDATES, names(question), only.where()) if index else None
            except IndexDamaged as error:
                found = None
                if self._url:
                    raise self._unusable(error) from error
                self._rebuilt()  # for the next question; this one is answered from the journals
            if found is not None:
                return Mirror(found).rank(question, vectors, k, only)
        return self._whole().rank(question, vectors, k, only)

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
            near = [kept[shelf.row[name]] for name in shelf.near(vector[0], NEAR, shelf.row)]
            same = [x for x in near if x.problem == lesson.problem and relation(x, draft) == "same"]
            if same:
                merged.append((lesson.id, same[0].id))
            else:
                kept.append(lesson)
                shelf.add([(lesson.id, lesson.text)], vector)
        reason = "worded alike, and no number, name or negation differs"
        self._write([("lesson_merged", {"id": a, "into": b, "reason": reason}) for a, b in merged])
        return merged

    def tidy(self) -> Tidied:
        """Merge near-duplicates, draw principles from several lessons, retire what those supersede and what
        has proved useless. Every step is an event with its reason; a second time does nothing."""
        merged = self.merge_duplicates()
        known = self.lessons()
        events: list[tuple[str, dict[str, Any]]] = []
        drawn = principles(known.values())
        for made in drawn:
            data = added(made.problem, cleaned(made.draft), None, session="", against=list(made.against))
            events.append(("lesson_added", data))
            for name in made.against:
                events += self._counter(known[name], data["id"])
            reason = {"reason": f"superseded by {data['id']}, which rests on more experiments"}
            events += [("lesson_retired", {"id": name, **reason}) for name in made.supersedes]
        retired = useless(known)
        events += [("lesson_retired", {"id": name, "reason": why}) for name, why in retired.items()]
        self._write(events)
        born = [data["id"] for kind, data in events if kind == "lesson_added"]
        return Tidied(merged=tuple(merged), principles=tuple(born), retired=tuple(retired))

    def history(self, lesson: str) -> list[Event]:
        """The events that made a lesson what it is, oldest first."""
        return group(gather(self._home)).get(lesson, [])

    def _counter(self, lesson: Lesson, principle: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """A lesson's experiments as evidence against a principle."""
        for event in self.history(lesson.id):
            evidence = event.data.get("evidence")
            if evidence and event.kind in ("lesson_added", "lesson_supported"):
                reason = {"reason": f"disagrees: {lesson.text}", "by": lesson.id}
                yield "lesson_contradicted", {"id": principle, "evidence": evidence, **reason}

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
            if len(line) > LINE_LIMIT:
                raise ValueError(f"line {number} is no lesson: it has more than {LINE_LIMIT:,} characters")
            try:
                lessons += [Lesson.model_validate_json(line)] if line.strip() else []
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"]))
                raise ValueError(f"line {number} is no lesson: {clean(where, 100)} {fault['msg']}") from None
        return self._take_in(lessons)

    def pull(self) -> int:
        """Import what other laboratories have put on the server; returns how many were new."""
        index = self._opened()
        try:
            return self._take_in(index.others()) if index else 0
        except IndexDamaged as error:
            raise self._unusable(error) from error

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
            against = [name for name in lesson.against[:20] if _ID.fullmatch(name)]
            problem = " ".join(clean(lesson.problem, 200).split())
            data = added(problem, cleaned(draft), None, session="", against=against)
            if data["id"] not in known and data["text"] and problem:
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

    def _whole(self) -> Mirror:
        """Every lesson with its vector, from the journals; kept until they grow."""
        now = progress(self._home, self._mirrored)
        if self._mirror is None or not _same_events(now, self._mirrored):
            lessons = list(self.lessons().values())
            vectors = list(self._embedder.embed([lesson.text for lesson in lessons])) if lessons else []
            self._mirror = Mirror(list(zip(lessons, vectors, strict=True)))
        self._mirrored = now
        return self._mirror

    def _opened(self) -> Index | None:
        """The index, up to date; None while another process has it or where it cannot be written."""
        try:
            if self._index is None:
                self._index = self._open()
            self._refresh(self._index)
        except IndexDamaged as error:
            if self._url:
                raise self._unusable(error) from error
            return self._rebuilt()
        except ConnectionError:
            raise
        except (OSError, JournalError):
            return None
        return self._index

    def _unusable(self, error: IndexDamaged) -> ConnectionError:
        return ConnectionError(f"No Chroma server can be used at {self._url}: {error}")

    def _rebuilt(self) -> Index | None:
        try:
            self.rebuild()
        except (OSError, JournalError, IndexDamaged):
            return None
        return self._index

    def _open(self) -> Index:
        return open_index(self._folder, self._embedder.name, self._laboratory(), self._url)

    def _refresh(self, index: Index) -> None:
        state = self._indexed or index.state.get("journals", {})
        now = progress(self._home, state)
        if state and _same_events(now, state):
            self._indexed = now
            return
        lessons = [lesson for lesson in self.lessons().values() if lesson.status != "retired"]
        index.sync(lessons, self._embedder.embed, {"journals": now})
        self._indexed = now


def _same_events(one: Mapping[str, list[int]], other: Mapping[str, list[int]]) -> bool:
    return {name: n for name, (_, n) in one.items()} == {name: n for name, (_, n) in other.items()}


def _claims(lesson: Lesson) -> str:
    parts = [lesson.observation, f"Imported; there it was {lesson.status}"]
    if lesson.supported_by:
        parts.append(f"supported by {', '.join(lesson.supported_by[:10])}")
    if lesson.effect is not None:
        parts.append(f"effect {lesson.effect:+.4g}")
    return "; ".join(part for part in parts if part)
