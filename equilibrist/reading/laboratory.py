"""A home folder for reading: its sessions, and what they have learnt from each other."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from equilibrist.home import SESSIONS
from equilibrist.reading.lines import Lines
from equilibrist.reading.view import LESSON_KINDS, Row, SessionView
from memory.events import Event
from memory.lessons import fold
from memory.records import Lesson


@dataclass(frozen=True)
class Shown:
    """A proposal whose author was shown a lesson."""

    session: str
    row: Row


class Laboratory:
    """Every view is kept and grows with its journal. Methods may be called from any thread."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lock = threading.RLock()
        self._views: dict[str, SessionView] = {}
        self._hand = Lines(home / "memory")
        """What people taught it by hand."""
        self._lessons: dict[str, Lesson] = {}
        self._influence: dict[str, list[Shown]] = {}
        self._seen: tuple[int, ...] = ()
        self._events: dict[str, list[Event]] = {}

    def sessions(self) -> list[SessionView]:
        """Newest first, as far as they were written; a folder that is gone is forgotten."""
        with self.lock:
            folders = [p for p in (self.home / SESSIONS).glob("*") if (p / "session.json").exists()]
            folders.sort(key=lambda p: (p / "session.json").stat().st_mtime_ns, reverse=True)
            for gone in set(self._views) - {p.name for p in folders}:
                self._views.pop(gone).lines.close()
            for folder in folders:
                self._views.setdefault(folder.name, SessionView(folder))
            views = [self._views[folder.name] for folder in folders]
        for view in views:
            view.refresh()
        return views

    def session(self, name: str) -> SessionView | None:
        """By its whole name."""
        folder = self.home / SESSIONS / name
        if "/" in name or name in ("", ".", "..") or not (folder / "session.json").exists():
            return None
        with self.lock:
            view = self._views.setdefault(name, SessionView(folder))
        view.refresh()
        return view

    def lessons(self) -> dict[str, Lesson]:
        """Every lesson by id, retired ones too."""
        self._learn()
        return self._lessons

    def influence(self, lesson: str) -> list[Shown]:
        """The proposals whose authors were shown it, over all sessions, in order of time."""
        self._learn()
        return self._influence.get(lesson, [])

    def _learn(self) -> None:
        views = self.sessions()
        with self.lock:
            self._hand.refresh()
            counts = [self._hand.count(*LESSON_KINDS)]
            counts += [view.lines.count(*LESSON_KINDS) + view.lines.count("experiment") for view in views]
            if tuple(counts) == self._seen:
                return
            events = [*self._new_events("", self._hand)]
            for view in views:
                with view.lock:
                    events += self._new_events(view.name, view.lines)
            self._lessons = fold(sorted(events, key=lambda event: event.time))
            shown = [Shown(view.name, row) for view in views for row in view.experiments]
            influence: dict[str, list[Shown]] = {}
            for one in sorted(shown, key=lambda one: one.row.time):
                for lesson in one.row.lessons_in:
                    influence.setdefault(lesson, []).append(one)
            self._influence, self._seen = influence, tuple(counts)

    def _new_events(self, name: str, lines: Lines) -> list[Event]:
        """All lesson events of a journal; only the new ones are parsed."""
        known = self._events.setdefault(name, [])
        if len(known) > lines.count(*LESSON_KINDS):
            known.clear()
        known += lines.events(*LESSON_KINDS, skip=len(known))
        return known
