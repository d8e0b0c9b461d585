"""Memory as a page asks it: by meaning where the embedder is at hand, by words otherwise, and by filters."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equilibrist.reading.laboratory import Laboratory
from memory.embedder import Cached, Embedder, local_embedder
from memory.ranking import COSINE, LEAST, TRUST, WORDS, Shelf, parts, usefulness
from memory.records import Lesson

SHOWN = 60
FIELDS = ("q", "status", "kind", "problem", "session", "game", "limit")


@dataclass(frozen=True)
class Asked:
    q: str = ""
    status: str = ""
    kind: str = ""
    problem: str = ""
    session: str = ""
    game: str = ""
    limit: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        return cls(**{name: given.get(name, "").strip()[:400] for name in FIELDS})

    def admits(self, lesson: Lesson) -> bool:
        equal = all(
            getattr(self, x) in ("", getattr(lesson, x)) for x in ("status", "kind", "problem", "session")
        )
        return (
            equal and self.game in ("", *lesson.games) and (bool(self.status) or lesson.status != "retired")
        )


def answer(known: Laboratory, asked: Asked) -> tuple[list[Lesson], int]:
    """The lessons to show, best first, and how many there are in all that pass the filters."""
    admitted = [lesson for lesson in known.lessons().values() if asked.admits(lesson)]
    most = int(asked.limit) if asked.limit.isdecimal() else SHOWN
    if not asked.q:
        newest = sorted(admitted, key=lambda lesson: lesson.created, reverse=True)
        return newest[:most], len(admitted)
    found = _RANKS.setdefault(known.home, _Ranks(known.home)).rank(asked.q, admitted)
    return found[:most], len(found)


class _Ranks:
    """Ranks lessons. Their vectors are made once, those on the disk read back; a question's is not kept."""

    def __init__(self, home: Path) -> None:
        self.lock = threading.Lock()
        self.folder = home / "memory" / "vectors"
        self.plain: Embedder | None = None

    def rank(self, question: str, lessons: list[Lesson]) -> list[Lesson]:
        """First those that hold the very words asked for, then what is near in meaning."""
        asked = question.casefold()
        literal = [x for x in lessons if asked in f"{x.id} {x.text} {x.observation}".casefold()]
        try:
            near = self._near(question, lessons) if lessons else []
        except (OSError, RuntimeError, ValueError, ImportError):  # no weights here: words must do
            near = [x for x in lessons if any(word in x.text.casefold() for word in asked.split())]
        return list({lesson.id: lesson for lesson in [*literal, *near]}.values())

    def _near(self, question: str, lessons: list[Lesson]) -> list[Lesson]:
        with self.lock:
            if self.plain is None:
                self.plain = local_embedder()
                self.kept = Cached(self.plain, self.folder)
                self.shelf = Shelf(self.plain.embed([""]).shape[1])
            vectors = self.plain.embed(parts(question))
            if new := [x for x in lessons if x.id not in self.shelf.row]:
                self.shelf.add([(x.id, x.text) for x in new], self.kept.embed([x.text for x in new]))
            factor = np.zeros(len(self.shelf.ids))
            rows = {self.shelf.row[x.id]: x for x in lessons}
            use = usefulness(np.array([x.shown for x in lessons]), np.array([x.helped for x in lessons]))
            factor[list(rows)] = use * [TRUST[x.status] or 0.5 for x in lessons]
            found = self.shelf.rank(question, vectors, factor)
        relevant = {
            row: value * factor[row]
            for row, cosine, matched in found
            if (value := COSINE * max(cosine, 0.0) + WORDS * matched) >= LEAST
        }
        return [rows[row] for row in sorted(relevant, key=lambda row: -relevant[row])]


_RANKS: dict[Path, _Ranks] = {}
