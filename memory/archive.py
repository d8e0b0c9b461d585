"""What a session has tried so far: programs, their lineage, the leaderboard. Derived from the journal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from memory.journal import Journal
from memory.records import Baseline, Experiment, Result


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


@dataclass(frozen=True)
class Archive:
    """Immutable, so that what an iteration sees does not depend on what finishes meanwhile."""

    baselines: tuple[Baseline, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    """By number. A number may be missing while its iteration is under way."""

    @classmethod
    def of(cls, journal: Journal) -> Archive:
        """From ``baseline`` and ``experiment`` events, whose data are the records' JSON."""
        archive = cls(tuple(Baseline.model_validate(event.data) for event in journal.events("baseline")))
        experiments = (Experiment.model_validate(event.data) for event in journal.events("experiment"))
        return cls(archive.baselines, _by_number(experiments))

    def grown(self, experiment: Experiment) -> Archive:
        return Archive(self.baselines, _by_number((*self.experiments, experiment)))

    def upto(self, n: int) -> Archive:
        """As it was after experiment ``n``: experiments with a greater number are not in it."""
        return Archive(self.baselines, tuple(e for e in self.experiments if e.number <= n))

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Evaluated programs by id, baselines first, then by number. A program tried twice is listed once."""
        entries: dict[str, Entry] = {}
        for entry in (*map(_from_baseline, self.baselines), *_from_experiments(self.experiments)):
            entries.setdefault(entry.program_id, entry)
        return entries

    def source(self, program_id: str) -> str:
        """Raises KeyError for a program that is not in the archive."""
        return self.entries[program_id].source

    def experiment(self, number: int) -> Experiment | None:
        return next((e for e in self.experiments if e.number == number), None)

    @cached_property
    def leaderboard(self) -> tuple[Entry, ...]:
        """Programs with a score over every game, best first; of equal ones the earliest first."""
        ranked = [entry for entry in self.entries.values() if _complete(entry.result)]
        return tuple(sorted(ranked, key=lambda entry: -(entry.result.score or 0.0)))

    @property
    def best(self) -> Entry | None:
        return self.leaderboard[0] if self.leaderboard else None

    def parent(self, program_id: str) -> Entry | None:
        entry = self.entries.get(program_id)
        return self.entries.get(entry.parent_id) if entry and entry.parent_id else None

    def children(self, program_id: str) -> tuple[Entry, ...]:
        return self._children.get(program_id, ())

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
        proposal = experiment.proposal
        parent = self.entries.get(proposal.parent_id or "") if proposal else None
        if parent is None or not (_complete(experiment.result) and _complete(parent.result)):
            return None
        return (experiment.result.score or 0.0) - (parent.result.score or 0.0)

    @cached_property
    def _children(self) -> dict[str, tuple[Entry, ...]]:
        children: dict[str, tuple[Entry, ...]] = {}
        for entry in self.entries.values():
            if entry.parent_id:
                children[entry.parent_id] = (*children.get(entry.parent_id, ()), entry)
        return children


def _by_number(experiments: Iterator[Experiment] | tuple[Experiment, ...]) -> tuple[Experiment, ...]:
    first: dict[int, Experiment] = {}
    for experiment in experiments:
        first.setdefault(experiment.number, experiment)
    return tuple(first[number] for number in sorted(first))


def _complete(result: Result) -> bool:
    return result.score is not None and math.isfinite(result.score) and not result.stopped_early


def _from_baseline(baseline: Baseline) -> Entry:
    return Entry(baseline.program_id, baseline.source, baseline.result, None, baseline.name)


def _from_experiments(experiments: tuple[Experiment, ...]) -> Iterator[Entry]:
    for experiment in experiments:
        proposal = experiment.proposal
        if proposal is not None:
            yield Entry(
                program_id=proposal.program_id,
                source=proposal.source,
                result=experiment.result,
                number=experiment.number,
                name=f"#{experiment.number}",
                parent_id=proposal.parent_id,
                hypothesis=proposal.hypothesis,
                operator=proposal.operator,
            )
