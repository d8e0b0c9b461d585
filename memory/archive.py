"""What a session has tried so far: programs, their lineage, the leaderboard. Derived from the journal."""

from __future__ import annotations

import math
from bisect import bisect_right, insort_right
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import islice
from typing import Any

from memory.events import Readable
from memory.records import Baseline, Experiment, Proposal, Result


@dataclass(frozen=True)
class Entry:
    """One evaluated program, whoever wrote it."""

    program_id: str
    source: str
    result: Result
    number: int | None
    """Number of the experiment; None for a baseline."""
    name: str
    """A baseline's name, or ``#number``."""
    parent_id: str | None = None
    hypothesis: str = ""
    operator: str = ""
    improved_by: tuple[str, ...] = ()
    """For a program of an earlier session: what came of it and scored higher there, best first."""


@dataclass(frozen=True)
class Archive:
    """Immutable, so that what an iteration sees does not depend on what finishes meanwhile.

    What is derived from the records is carried over when the archive grows, so that an experiment costs the
    same late in a session as early.
    """

    baselines: tuple[Baseline, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    """By number. A number may be missing while its iteration is under way."""
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """For indexes over ``entries``, kept by who needs one. All archives that hold it list the same entries
    in the same order, the shorter ones fewer."""

    @classmethod
    def of(cls, journal: Readable) -> Archive:
        """From ``baseline`` and ``experiment`` events, whose data are the records' JSON.

        Baselines by name: they are judged side by side, and which was written first is chance.
        """
        baselines = (Baseline.model_validate(event.data) for event in journal.events("baseline"))
        experiments = (Experiment.model_validate(event.data) for event in journal.events("experiment"))
        return cls(tuple(sorted(baselines, key=lambda baseline: baseline.name)), _by_number(experiments))

    def grown(self, experiment: Experiment) -> Archive:
        if self.experiments and experiment.number <= self.experiments[-1].number:
            return Archive(self.baselines, _by_number((*self.experiments, experiment)))
        grown = Archive(self.baselines, (*self.experiments, experiment), self.shared)
        derived = self._derived.copy()
        derived.add_experiment(experiment)
        grown.__dict__["_derived"] = derived  # where cached_property keeps it
        return grown

    def upto(self, n: int) -> Archive:
        """As it was after experiment ``n``: experiments with a greater number are not in it."""
        count = bisect_right(self.experiments, n, key=lambda experiment: experiment.number)
        if count == len(self.experiments):
            return self
        return Archive(self.baselines, self.experiments[:count], self.shared)

    @cached_property
    def _derived(self) -> _Derived:
        derived = _Derived()
        for baseline in self.baselines:
            derived.add(_from_baseline(baseline))
        for experiment in self.experiments:
            derived.add_experiment(experiment)
        return derived

    @property
    def entries(self) -> dict[str, Entry]:
        """Evaluated programs by id, baselines first, then by number. A program tried twice is listed once."""
        return self._derived.entries

    def since(self, count: int) -> list[Entry]:
        """The entries after the first ``count``, without a walk over those."""
        entries = self.entries
        return [*islice(reversed(entries.values()), max(0, len(entries) - count))][::-1]

    def named(self, name: str) -> Entry | None:
        """A baseline by its name, a program by ``#number``."""
        return self._derived.named.get(name)

    def source(self, program_id: str) -> str:
        """Raises KeyError for a program that is not in the archive."""
        return self.entries[program_id].source

    def experiment(self, number: int) -> Experiment | None:
        return next((e for e in self.experiments if e.number == number), None)

    @property
    def leaderboard(self) -> Sequence[Entry]:
        """Programs with a score over every game, best first; of equal ones the earliest first."""
        return self._derived.ranked

    @property
    def best(self) -> Entry | None:
        return self.leaderboard[0] if self.leaderboard else None

    @property
    def champions(self) -> Mapping[str, Entry]:
        """The best program of each game among those of the leaderboard; of equal ones the higher ranked."""
        return self._derived.champions

    @property
    def own_champions(self) -> Mapping[str, Entry]:
        """The same among the session's own programs."""
        return self._derived.own_champions

    @property
    def authors(self) -> Mapping[str, tuple[int, int]]:
        """By who proposed: experiments, and how many of them improved on their parent."""
        return self._derived.authors

    def parent(self, program_id: str) -> Entry | None:
        entry = self.entries.get(program_id)
        return self.entries.get(entry.parent_id) if entry and entry.parent_id else None

    def children(self, program_id: str) -> tuple[Entry, ...]:
        return self._derived.children.get(program_id, ())

    def descendants(self, program_id: str) -> tuple[Entry, ...]:
        """Children, their children, and so on, breadth first, each once."""
        found: dict[str, Entry] = {}
        waiting = [program_id]
        for ancestor in waiting:
            for child in self.children(ancestor):
                if child.program_id not in found and child.program_id != program_id:
                    found[child.program_id] = child
                    waiting.append(child.program_id)
        return tuple(found.values())

    def lineage(self, program_id: str) -> tuple[Entry, ...]:
        """The program, its parent, and so on up to a baseline or to a program that is not here."""
        line: dict[str, Entry] = {}
        entry = self.entries.get(program_id)
        while entry is not None and entry.program_id not in line:
            line[entry.program_id] = entry
            entry = self.parent(entry.program_id)
        return tuple(line.values())

    def improvement(self, experiment: Experiment) -> float | None:
        """Score of the experiment less its parent's; None unless both were scored over every game."""
        return self._derived.improvement(experiment)


@dataclass
class _Derived:
    """What follows from an archive's records, in a form that is cheap to copy and to add to."""

    entries: dict[str, Entry] = field(default_factory=dict)
    named: dict[str, Entry] = field(default_factory=dict)
    ranked: list[Entry] = field(default_factory=list)
    children: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    champions: dict[str, Entry] = field(default_factory=dict)
    own_champions: dict[str, Entry] = field(default_factory=dict)
    authors: dict[str, tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> _Derived:
        return _Derived(**{part.name: copy(getattr(self, part.name)) for part in fields(self)})

    def add_experiment(self, experiment: Experiment) -> None:
        author = experiment.brief.get("author", "")
        tried, won = self.authors.get(author, (0, 0))
        self.authors[author] = (tried + 1, won + ((self.improvement(experiment) or 0.0) > 0))
        if experiment.proposal is not None:
            self.add(_from_experiment(experiment, experiment.proposal))

    def add(self, entry: Entry) -> None:
        if entry.program_id in self.entries:
            return
        self.entries[entry.program_id] = entry
        self.named.setdefault(entry.name, entry)
        if entry.parent_id:
            self.children[entry.parent_id] = (*self.children.get(entry.parent_id, ()), entry)
        if _complete(entry.result):
            insort_right(self.ranked, entry, key=lambda ranked: -(ranked.result.score or 0.0))
            _enthrone(self.champions, entry)
            if entry.number is not None:
                _enthrone(self.own_champions, entry)

    def improvement(self, experiment: Experiment) -> float | None:
        proposal = experiment.proposal
        parent = self.entries.get(proposal.parent_id or "") if proposal else None
        if parent is None or not (_complete(experiment.result) and _complete(parent.result)):
            return None
        return (experiment.result.score or 0.0) - (parent.result.score or 0.0)


def _enthrone(champions: dict[str, Entry], entry: Entry) -> None:
    for game, score in entry.result.games.items():
        best = champions.get(game)
        held = (best.result.games[game], best.result.score or 0.0) if best else None
        if held is None or (score, entry.result.score or 0.0) > held:
            champions[game] = entry


def _by_number(experiments: Iterator[Experiment] | tuple[Experiment, ...]) -> tuple[Experiment, ...]:
    first: dict[int, Experiment] = {}
    for experiment in experiments:
        first.setdefault(experiment.number, experiment)
    return tuple(first[number] for number in sorted(first))


def _complete(result: Result) -> bool:
    return result.score is not None and math.isfinite(result.score) and not result.stopped_early


def _from_baseline(baseline: Baseline) -> Entry:
    return Entry(baseline.program_id, baseline.source, baseline.result, None, baseline.name)


def _from_experiment(experiment: Experiment, proposal: Proposal) -> Entry:
    return Entry(
        program_id=proposal.program_id,
        source=proposal.source,
        result=experiment.result,
        number=experiment.number,
        name=f"#{experiment.number}",
        parent_id=proposal.parent_id,
        hypothesis=proposal.hypothesis,
        operator=proposal.operator,
    )
