"""The memory of one session: what it recalls, what it learns.

Recall is a pure function of the question, the snapshot of memory that the session began with and the lessons
of its own experiments up to a given one. So it gives the same when replayed, whatever other sessions write
meanwhile. Ranking is exact, over vectors in memory: an approximate index may answer differently when rebuilt.
"""

from __future__ import annotations

import threading
from bisect import bisect_right, insort_right
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from memory.archive import Archive, Entry
from memory.embedder import Embedder
from memory.events import Event
from memory.gathering import Snapshot, digest, gather
from memory.journal import Journal, JournalError
from memory.lessons import NEAR, Evidence, Life, Links, added, cleaned, group, live, relation
from memory.ranking import TRUST, Recalled, Shelf, choose, parts, usefulness
from memory.records import Experiment, Lesson, LessonDraft

LINE = 3
"""Descendants that an earlier session's program is said to have been improved by."""
_VIEWS = 8
"""Views kept: concurrent iterations look at a few moments in turn."""


@dataclass(frozen=True)
class _View:
    """Lessons as known after experiment ``upto``; the arrays have an entry per row of the shelf."""

    upto: int
    changed: dict[str, Lesson]
    """Lessons that this session added or spoke of."""
    trust: np.ndarray
    shown: np.ndarray
    helped: np.ndarray


class Memory:
    """Memory as one session sees it. Its journal's session.json holds ``problem``, ``run`` (the run's
    identity) and ``memory`` (a :class:`Snapshot`, or None for a session that starts without memory)."""

    def __init__(self, home: Path, journal: Journal, embedder: Embedder) -> None:
        session = journal.session
        self.problem: str = session["problem"]
        self.run: str = session["run"]
        self.note = ""
        """Set when the memory that the session began with can no longer be put together."""
        self._journal, self._embedder = journal, embedder
        self._guard = threading.RLock()
        snapshot = Snapshot.model_validate(session["memory"]) if session.get("memory") else Snapshot()
        events = gather(home, snapshot.journals)
        if snapshot.journals and digest(events) != snapshot.digest:
            self.note = (
                "The journals that this session's memory came from were changed or removed since it "
                "began: from here on it may decide differently than it would have"
            )
        self._home, self._snapshot = home, snapshot
        self._archives: dict[str, Archive] = {}
        self._last_of = _last_numbers(events)
        self._past = events
        self._past_groups = group(events)
        folded = (live(name, of_name) for name, of_name in self._past_groups.items())
        of_problem = {x.id: x for x in folded if x is not None and x.problem == self.problem}
        # A rerun's memory lacks what its first run learnt, so it must lack the principles drawn from that.
        self._base = {
            name: x for name, x in of_problem.items() if not x.sources or set(x.sources) & of_problem.keys()
        }
        own = (event for event in journal.events() if event.kind.startswith("lesson_"))
        self._own = sorted(own, key=_number)
        self._regroup()
        self._shelf = Shelf(embedder.embed([""]).shape[1])
        self._put((lesson.id, lesson.text) for lesson in self._base.values())
        self._put(_born(self._own))
        self._views = [self._show(_View(0, {}, *np.zeros((3, 0))), self._base)]

    def recall(
        self, query: str, games: Sequence[str] = (), k: int = 5, upto: int | None = None
    ) -> list[Recalled]:
        """At most ``k`` lessons that matter, best first; from this session only those of experiments up to
        ``upto`` (all of them if None)."""
        vectors = self._embedder.embed(parts(query))
        with self._guard:
            view = self._look(self._latest() if upto is None else upto)
            use = usefulness(view.shown, view.helped)
            found = self._shelf.rank(query, vectors, view.trust * use)
            known = ChainMap(view.changed, self._base)
            rows = [
                (known[self._shelf.ids[row]], self._shelf.vectors[row], cosine, matched, float(use[row]))
                for row, cosine, matched in found
            ]
        return choose(rows, games, k)

    def experiment(self, name: str) -> Entry | None:
        """The program of an experiment that the snapshot knows of (``session/number``), its parent named in
        the same way; None for any other name, or when that session is gone."""
        session, _, number = name.rpartition("/")
        with self._guard:
            if f"sessions/{session}" not in self._snapshot.journals:
                return None
            if session not in self._archives:
                try:
                    self._archives[session] = Archive.of(Journal.view(self._home / "sessions" / session))
                except JournalError:
                    return None
            archive = self._archives[session]
        entry, last = archive.named(f"#{number}"), self._last_of.get(session, 0)
        if entry is None or entry.number is None or entry.number > last:
            return None
        parent = archive.parent(entry.program_id)
        before = f"{session}/{parent.number}" if parent and parent.number else entry.parent_id
        below = {x.program_id: x for x in archive.descendants(entry.program_id) if (x.number or 0) <= last}
        better = [
            f"{session}/{ranked.number}"
            for ranked in archive.leaderboard
            if ranked.program_id in below and (ranked.result.score or 0.0) > (entry.result.score or 0.0)
        ]
        bare = entry.result.model_copy(update={"curves": {}, "output": ""})
        return replace(
            entry, name=name, number=None, parent_id=before, result=bare, improved_by=tuple(better[:LINE])
        )

    def lessons(self, upto: int | None = None) -> dict[str, Lesson]:
        """All lessons of the problem by id, as of then."""
        with self._guard:
            return self._base | self._look(self._latest() if upto is None else upto).changed

    def learn(self, experiment: Experiment, drafts: Iterable[LessonDraft]) -> tuple[str, ...]:
        """Record an experiment's lessons; returns their ids, or those of the lessons they proved to repeat.

        They are compared with the lessons of earlier experiments, so for a session to be repeatable the
        experiments must come in order of their numbers. A second time (a resume) records nothing twice.
        """
        with self._guard:
            names = [self._learn(experiment, cleaned(draft)) for draft in drafts]
        return tuple(dict.fromkeys(name for name in names if name))

    def credit(self, experiment: Experiment, difference: float | None) -> None:
        """Credit the lessons that the proposer was shown with what came of it: the score less the
        parent's, None when there is no score (then nothing is recorded: it says nothing of the lessons)."""
        shown = experiment.proposal.lesson_ids if experiment.proposal else ()
        if not shown or difference is None:
            return
        data = {"lessons": list(shown), "improved": difference > 0, "difference": difference}
        self._record(experiment.number, "lesson_credited", "", {**data, "run": self.run})

    def _learn(self, experiment: Experiment, draft: LessonDraft) -> str:
        if not draft.text:
            return ""
        number = experiment.number
        evidence = Evidence(
            experiment=f"{self._journal.folder.name}/{number}",
            program_id=experiment.proposal.program_id if experiment.proposal else "",
            run=self.run,
            effect=draft.effect,
            observation=draft.observation,
        )
        known = self.lessons(number - 1)
        same, opposite = self._compare(draft, known)
        against = [name for name in (*draft.contradicts, *opposite) if name in known]
        speaks = {"evidence": evidence.model_dump(mode="json")}
        draft = draft.model_copy(update={"sources": tuple(name for name in draft.sources if name in known)})
        data = added(self.problem, draft, evidence, session=self._journal.folder.name, against=against)
        own = same or data["id"]
        for name in [x for x in draft.supports if x in known and x != own]:
            self._record(number, "lesson_supported", name, {**speaks, "reason": f"agrees: {draft.text}"})
        for name in against:
            reason = {"reason": f"disagrees: {draft.text}", "by": own}
            self._record(number, "lesson_contradicted", name, {**speaks, **reason})
        if same:
            self._record(number, "lesson_supported", same, {**speaks, "reason": f"repeats: {draft.text}"})
        else:
            self._record(number, "lesson_added", data["id"], data)
        return own

    def _compare(self, draft: LessonDraft, known: dict[str, Lesson]) -> tuple[str, list[str]]:
        """The lesson that the draft repeats, if any, and those it turns round."""
        vector = self._embedder.embed([draft.text])[0]
        near = [known[name] for name in self._shelf.near(vector, NEAR, known)]
        near = [lesson for lesson in near if lesson.status != "retired"]
        same = [lesson.id for lesson in near if relation(lesson, draft) == "same"]
        return (same[0] if same else ""), [x.id for x in near if relation(x, draft) == "opposite"]

    def _record(self, number: int, kind: str, name: str, data: dict[str, Any]) -> None:
        """Append one lesson event, once: its key tells the experiment and the lesson."""
        key = f"{number}:{name}"
        if self._journal.find(kind, key) is not None:
            return
        named = {"id": name} if name else {}
        told = (kind, key, {**named, **data, "number": number})
        event = self._journal.extend([told], worth=0.0)[0]  # follows from replies that are on the disk
        insort_right(self._own, event, key=_number)
        self._put(_born([event]))
        if data.get("sources"):
            self._regroup()
        else:
            for concerned in self._links.concerned(event):
                insort_right(self._own_groups.setdefault(concerned, []), event, key=_number)
                if self._own_groups[concerned][-1] is not event:
                    self._lives.pop(concerned, None)
        self._views = [view for view in self._views if view.upto < number]

    def _regroup(self) -> None:
        self._links = Links([*self._past, *self._own])
        self._own_groups = group(self._own, self._links)
        self._lives: dict[str, tuple[int, Life]] = {}
        """By lesson: how many of its own events are in its life, which holds all of the past's."""

    def _put(self, lessons: Iterable[tuple[str, str]]) -> None:
        """Put (id, text) pairs on the shelf, unless they are there."""
        new = [(name, text) for name, text in dict(lessons).items() if name not in self._shelf.row]
        if new:
            self._shelf.add(new, self._embedder.embed([text for _, text in new]))

    def _latest(self) -> int:
        return max((event.data["number"] for event in self._own), default=0)

    def _look(self, upto: int) -> _View:
        """The view after experiment ``upto``, made from the nearest earlier one that is kept."""
        before = max((view for view in self._views if view.upto <= upto), key=lambda view: view.upto)
        if before.upto < upto:
            first, last = (bisect_right(self._own, n, key=_number) for n in (before.upto, upto))
            new = self._own[first:last]
            names = dict.fromkeys(name for event in new for name in self._links.concerned(event))
            folded = (self._fold(name, upto) for name in names)
            changed = {x.id: x for x in folded if x is not None and x.problem == self.problem}
            view = self._show(replace(before, upto=upto, changed=before.changed | changed), changed)
            self._views = [self._views[0], *self._views[1:][-_VIEWS:], view]
            before = view
        return before

    def _fold(self, name: str, upto: int) -> Lesson | None:
        """The lesson after experiment ``upto``. Its life so far is kept: most looks are at what is new."""
        events = self._own_groups.get(name, [])
        count = bisect_right(events, upto, key=_number)
        told, life = self._lives.get(name, (0, None))
        if life is None or told > count:
            told, life = 0, Life(name)
            for event in self._past_groups.get(name, ()):
                life.add(event)
        for event in events[told:count]:
            life.add(event)
        self._lives[name] = (count, life)
        return life.lesson()

    def _show(self, view: _View, lessons: dict[str, Lesson]) -> _View:
        """The view with the figures of these lessons brought up to date."""
        rows = [self._shelf.row[name] for name in lessons]
        figures = [(TRUST[x.status], x.shown, x.helped) for x in lessons.values()]
        arrays = np.zeros((3, len(self._shelf.ids)))
        for array, old in zip(arrays, (view.trust, view.shown, view.helped), strict=True):
            array[: len(old)] = old
        if rows:
            arrays[:, rows] = np.array(figures).T
        return replace(view, trust=arrays[0], shown=arrays[1], helped=arrays[2])


def _number(event: Event) -> int:
    """Of its experiment; a session's lesson events come in this order."""
    return int(event.data["number"])


def _last_numbers(events: Iterable[Event]) -> dict[str, int]:
    """Session -> its last experiment that a lesson names as evidence."""
    found: dict[str, int] = {}
    for event in events:
        evidence = event.data.get("evidence") or {}
        session, _, number = str(evidence.get("experiment", "")).rpartition("/")
        if number.isdigit():
            found[session] = max(int(number), found.get(session, 0))
    return found


def _born(events: Iterable[Event]) -> Iterator[tuple[str, str]]:
    return ((e.data["id"], e.data["text"]) for e in events if e.kind == "lesson_added")
