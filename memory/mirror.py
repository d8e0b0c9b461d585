"""Lessons and their vectors in this process: any filter, exact ranking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from memory.ranking import TRUST, Recalled, Shelf, choose, usefulness
from memory.records import Lesson
from sandbox.job import Record

EQUAL = ("problem", "kind", "status", "session")
"""What a lesson has one of."""


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
        equal = all(not getattr(self, x) or getattr(self, x) == getattr(lesson, x) for x in EQUAL)
        games = not self.games or bool(set(self.games) & set(lesson.games))
        return (
            equal
            and games
            and lesson.created >= self.since
            and (bool(self.status) or lesson.status != "retired")
        )

    def where(self) -> dict[str, Any]:
        """The same for Chroma, on what ``metadata`` gives; retired lessons are not in it."""
        clauses: list[dict[str, Any]] = [{x: getattr(self, x)} for x in EQUAL if getattr(self, x)]
        games: list[dict[str, Any]] = [{f"game {name}": True} for name in self.games]
        clauses += [{"$or": games}] if len(games) > 1 else games
        clauses += [{"created": {"$gte": _seconds(self.since)}}] if self.since else []
        return {"$and": clauses} if len(clauses) > 1 else clauses[0] if clauses else {}


def metadata(lesson: Lesson) -> dict[str, Any]:
    """What Chroma is to filter by."""
    fields: dict[str, Any] = {name: getattr(lesson, name) for name in EQUAL}
    return {**fields, "created": _seconds(lesson.created), **{f"game {name}": True for name in lesson.games}}


class Mirror:
    def __init__(self, found: Sequence[tuple[Lesson, np.ndarray]]) -> None:
        self.lessons = [lesson for lesson, _ in found]
        if found:
            self._shelf = Shelf(len(found[0][1]))
            self._shelf.add([(x.id, x.text) for x in self.lessons], np.stack([row for _, row in found]))
        self._use = usefulness(
            np.array([x.shown for x in self.lessons]), np.array([x.helped for x in self.lessons])
        )
        self._trust = np.array([TRUST[lesson.status] or 0.5 for lesson in self.lessons])
        self._columns = {name: _Column([getattr(x, name) for x in self.lessons]) for name in EQUAL}
        self._created = np.array([x.created for x in self.lessons], str)
        self._games: dict[str, list[int]] = {}
        for row, lesson in enumerate(self.lessons):
            for game in lesson.games:
                self._games.setdefault(game, []).append(row)

    def rank(self, question: str, vectors: np.ndarray, k: int, only: Filter) -> list[Recalled]:
        admitted = self._admitted(only)
        if not admitted.any():
            return []
        ranked = self._shelf.rank(question, vectors, self._trust * self._use * admitted)
        rows = [
            (self.lessons[r], self._shelf.vectors[r], cosine, matched, float(self._use[r]))
            for r, cosine, matched in ranked
        ]
        return choose(rows, only.games, k)

    def _admitted(self, only: Filter) -> np.ndarray:
        """[lessons] of bool: ``only.admits``, column by column."""
        admitted = np.ones(len(self.lessons), bool)
        for name, column in self._columns.items():
            if wanted := getattr(only, name):
                admitted &= column.equal(wanted)
        if not only.status:
            admitted &= ~self._columns["status"].equal("retired")
        if only.since:
            admitted &= self._created >= only.since
        if only.games:
            named = np.zeros(len(self.lessons), bool)
            for game in only.games:
                named[self._games.get(game, [])] = True
            admitted &= named
        return admitted


class _Column:
    """Texts of which few differ, as numbers: comparing 100,000 texts takes as long as ranking them."""

    def __init__(self, values: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._rows = np.array([self._numbers.setdefault(x, len(self._numbers)) for x in values], np.int32)

    def equal(self, value: str) -> np.ndarray:
        return self._rows == self._numbers.get(value, -1)


def _seconds(time: str) -> float:
    """Since 1970, of an ISO date or time; 0 for what is none."""
    try:
        stamp = datetime.fromisoformat(time)
    except ValueError:
        return 0.0
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
