"""Lesson events from every journal under a home: its sessions' and the one that belongs to no session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from memory.events import Event
from memory.journal import JournalError, read_session, scan
from sandbox.job import Record


class Snapshot(Record):
    """The state of memory at a moment. Journals only grow, so how far each had come says all."""

    journals: dict[str, int] = {}
    """Folder below the home -> number of its last lesson event."""
    digest: str = ""
    lessons: int = 0
    """How many were added."""


def take_snapshot(home: Path, run: str) -> Snapshot:
    """Memory as it is now, without what earlier runs of the same session (``run``) have learnt: a rerun
    must repeat itself, and its results are no new evidence."""
    journals: dict[str, int] = {}
    for folder in folders(home):
        try:
            if read_session(folder).get("run") == run:
                continue
        except JournalError:
            continue
        last = max((event.n for event in scan(folder, "lesson_")), default=0)
        if last:
            journals[str(folder.relative_to(home))] = last
    events = gather(home, journals)
    count = sum(event.kind == "lesson_added" for event in events)
    return Snapshot(journals=journals, digest=digest(events), lessons=count)


def gather(home: Path, journals: Mapping[str, int] | None = None) -> list[Event]:
    """Lesson events in order of time, of all journals or of these up to these numbers."""
    events: list[Event] = []
    if journals is None:
        for folder in folders(home):
            events += scan(folder, "lesson_")
    else:
        for name in sorted(journals):
            events += scan(home / name, "lesson_", journals[name])
    return sorted(events, key=lambda event: event.time)


def progress(home: Path, before: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Per journal its size in bytes and its number of lesson events; reads what is new since ``before``."""
    now: dict[str, list[int]] = {}
    for folder in folders(home):
        path, name = folder / "journal.jsonl", str(folder.relative_to(home))
        size = path.stat().st_size if path.exists() else 0
        start, count = before.get(name, [0, 0])
        if size < start:
            start, count = 0, 0
        if size:
            now[name] = [size, count + sum(1 for _ in scan(folder, "lesson_", start=start))]
    return now


def folders(home: Path) -> Iterator[Path]:
    """The folders that hold journals, in a fixed order."""
    yield home / "memory"
    yield from sorted((home / "sessions").glob("*/"))


def digest(events: Iterable[Event]) -> str:
    total = sha256()
    for event in events:
        total.update(f"{event.time} {event.kind} {event.key}\n".encode(errors="surrogatepass"))
    return total.hexdigest()[:16]
