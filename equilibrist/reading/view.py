"""One session as far as it was written: a light row per experiment, everything else read when asked for."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from equilibrist.budget import Spent
from equilibrist.reading.lines import Lines
from memory.events import Event
from memory.files import is_held
from memory.journal import read_session
from memory.records import Baseline, Experiment, Result

LESSON_KINDS = (
    "lesson_added",
    "lesson_supported",
    "lesson_contradicted",
    "lesson_merged",
    "lesson_retired",
    "lesson_credited",
)


@dataclass(frozen=True)
class Row:
    """An evaluated program in one line: an experiment's, or a baseline's (``number`` is None)."""

    number: int | None
    name: str
    program_id: str
    parent_id: str
    status: str
    message: str
    score: float | None
    complete: bool
    """Scored over every game."""
    gain: float | None
    """Score less the parent's, where both are complete."""
    operator: str
    author: str
    arm: str
    """``search``, or the control arm that it belongs to."""
    hypothesis: str
    games: dict[str, float]
    lessons_in: tuple[str, ...]
    """Ids of the lessons that the proposer was shown."""
    lessons_out: tuple[str, ...]
    memory: bool
    """Whether it was allowed the memory."""
    time: str
    seconds: float


@dataclass(frozen=True)
class Cost:
    """What the replies had taken by some moment."""

    time: str
    experiment: int
    spent: Spent


class SessionView:
    """Follows one session's folder. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.lock = threading.RLock()
        self.lines = Lines(folder)
        self.about: dict[str, Any] = {}
        """session.json"""
        self.fault = ""
        """Why it cannot be read, if so."""
        self._forget()

    def _forget(self) -> None:
        self.rows: dict[int, Row] = {}
        self.baselines: list[Row] = []
        self.by_program: dict[str, Row] = {}
        self._ranked: list[Row] = []
        self._ranked_of = 0
        """How many programs there were when they were ranked."""
        self.children: dict[str, list[Row]] = {}
        self.costs: list[Cost] = []
        self.shares: dict[tuple[str, str], Spent] = {}
        self._taken = dict.fromkeys(("baseline", "experiment", "reply"), 0)

    def refresh(self) -> bool:
        """Take in what was written since; whether there was anything."""
        with self.lock:
            if not self.about:
                try:
                    self.about = read_session(self.folder)
                except Exception as error:
                    self.fault = str(error)
            before = self.lines.size
            new = self.lines.refresh()
            if self.lines.size < before:
                self._forget()
            for event in self._untaken("baseline"):
                self._add(_row(event, self.by_program))
            for event in self._untaken("experiment"):
                self._add(_row(event, self.by_program))
            return new

    def _untaken(self, kind: str) -> Iterable[Event]:
        skip, self._taken[kind] = self._taken[kind], self.lines.count(kind)
        return self.lines.events(kind, skip=skip)

    def _add(self, row: Row | None) -> None:
        if row is None or (row.number is not None and row.number in self.rows):
            return
        if row.number is None:
            self.baselines.append(row)
        else:
            self.rows[row.number] = row
        if row.program_id:
            self.by_program.setdefault(row.program_id, row)
            if row.parent_id:
                self.children.setdefault(row.parent_id, []).append(row)

    @property
    def config(self) -> dict[str, Any]:
        found = self.about.get("config", {})
        return found if isinstance(found, dict) else {}

    @property
    def problem(self) -> str:
        return str(self.about.get("problem", ""))

    @property
    def state(self) -> str:
        """``done``, ``interrupted``, ``running``, ..."""
        with self.lock:
            marks = list(self.lines.events("started", "ended"))
        if self.fault:
            return "unreadable"
        if not marks:
            return "running" if self.running else "not started"
        if marks[-1].kind == "ended":
            return str(marks[-1].data.get("reason", "ended"))
        return "running" if self.running else "stopped without a word"

    @property
    def running(self) -> bool:
        return is_held(self.folder / "lock")

    @property
    def experiments(self) -> list[Row]:
        """By number."""
        with self.lock:
            return [self.rows[number] for number in sorted(self.rows)]

    @property
    def ranked(self) -> list[Row]:
        """Programs with a score over every game, best first, each once; baselines are among them."""
        with self.lock:
            if self._ranked_of != len(self.by_program):
                rows = [row for row in self.by_program.values() if row.complete]
                self._ranked = sorted(rows, key=lambda row: (-(row.score or 0.0), row.number or 0))
                self._ranked_of = len(self.by_program)
            return self._ranked

    @property
    def best(self) -> Row | None:
        return next((row for row in self.ranked if row.number is not None), None)

    @property
    def best_baseline(self) -> Row | None:
        return next((row for row in self.ranked if row.number is None), None)

    @property
    def games(self) -> list[str]:
        """In the order in which they are played."""
        return list(
            dict.fromkeys(game for row in [*self.baselines, *self.rows.values()] for game in row.games)
        )

    def lineage(self, row: Row) -> list[Row]:
        """The row, its parent, and so on up to a baseline."""
        line = {row.name: row}
        while (parent := self.by_program.get(row.parent_id)) is not None and parent.name not in line:
            line[parent.name] = row = parent
        return list(line.values())

    def descendants(self, row: Row) -> list[Row]:
        """Children, their children, and so on, breadth first, each once."""
        found: dict[str, Row] = {}
        waiting = [row.program_id]
        for ancestor in waiting:
            for child in self.children.get(ancestor, ()):
                if child.program_id not in found and child.program_id != row.program_id:
                    found[child.program_id] = child
                    waiting.append(child.program_id)
        return list(found.values())

    def find(self, name: str) -> Row | None:
        """By ``#7``, ``7``, a program's id or the start of it, or a baseline's name."""
        bare = name.removeprefix("#")
        if bare.isdecimal() and int(bare) in self.rows:
            return self.rows[int(bare)]
        exact = [row for row in self.by_program.values() if name in (row.name, row.program_id)]
        near = exact or [row for row in self.by_program.values() if name and row.program_id.startswith(name)]
        return near[0] if near else None

    def experiment(self, number: int) -> Experiment | None:
        """The whole record; None while it is under way."""
        with self.lock:
            events = list(self.lines.read(self.lines.spoken.get(number, [])))
        for event in events:
            if event.kind == "experiment":
                try:
                    return Experiment.model_validate(event.data)
                except ValidationError:
                    return None
        return None

    def result(self, row: Row) -> tuple[str, Result]:
        """Source and result of a row. Raises KeyError when the journal no longer has them."""
        if row.number is not None:
            experiment = self.experiment(row.number)
            if experiment is None:
                raise KeyError(row.name)
            return (experiment.proposal.source if experiment.proposal else ""), experiment.result
        with self.lock:
            for event in self.lines.events("baseline"):
                if event.data.get("program_id") == row.program_id:
                    baseline = Baseline.model_validate(event.data)
                    return baseline.source, baseline.result
        raise KeyError(row.name)

    def spoken(self, number: int) -> list[Event]:
        """Everything that was written for an experiment, in order."""
        with self.lock:
            return list(self.lines.read(self.lines.spoken.get(number, [])))

    def under_way(self) -> list[int]:
        """Numbers of experiments that have begun and are not recorded yet."""
        with self.lock:
            last = max(self.rows, default=0)
            return sorted(n for n in self.lines.spoken if n > last - 64 and n > 0 and n not in self.rows)

    def events(self, *kinds: str) -> list[Event]:
        with self.lock:
            return list(self.lines.events(*kinds))

    def spend(self) -> Spent:
        """What the replies took so far; reads every reply, so it may take a while the first time."""
        with self.lock:
            for event in self._untaken("reply"):
                data, last = event.data, self.costs[-1].spent if self.costs else Spent()
                share = (str(data.get("role")), str(data.get("model")))
                self.shares[share] = self.shares.get(share, Spent()).plus(data)
                self.costs.append(Cost(event.time, int(data.get("experiment", 0)), last.plus(data)))
            return self.costs[-1].spent if self.costs else Spent()


def _row(event: Event, known: dict[str, Row]) -> Row | None:
    """One line of a record that may be of any age; None when it is no record at all."""
    try:
        return _experiment(event, known) if event.kind == "experiment" else _baseline(event)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _experiment(event: Event, known: dict[str, Row]) -> Row:
    data, result = event.data, event.data["result"]
    proposal, brief = data.get("proposal") or {}, data.get("brief") or {}
    score, complete = _score(result)
    parent = known.get(proposal.get("parent_id") or "")
    shown = [lesson["id"] for lesson in brief.get("lessons") or () if isinstance(lesson, dict)]
    return Row(
        number=int(data["number"]),
        name=f"#{int(data['number'])}",
        program_id=proposal.get("program_id") or "",
        parent_id=proposal.get("parent_id") or "",
        status=str(result["status"]),
        message=_reason(data)[:400],
        score=score,
        complete=complete,
        gain=(score or 0.0) - (parent.score or 0.0) if complete and parent and parent.complete else None,
        operator=str(proposal.get("operator") or ""),
        author=str(brief.get("author") or ""),
        arm=str(brief.get("arm") or "search"),
        hypothesis=str(proposal.get("hypothesis") or "")[:400],
        games={str(game): float(value) for game, value in result.get("games", {}).items()},
        lessons_in=tuple(dict.fromkeys([*shown, *(proposal.get("lesson_ids") or ())])),
        lessons_out=tuple(data.get("lesson_ids") or ()),
        memory=bool(brief.get("memory", True)),
        time=event.time,
        seconds=float(result.get("seconds") or 0.0),
    )


def _baseline(event: Event) -> Row:
    data, result = event.data, event.data["result"]
    score, complete = _score(result)
    games = {str(game): float(value) for game, value in result.get("games", {}).items()}
    return Row(
        number=None,
        name=str(data["name"]),
        program_id=str(data["program_id"]),
        parent_id="",
        status=str(result["status"]),
        message=str(result.get("message", ""))[:400],
        score=score,
        complete=complete,
        gain=None,
        operator="baseline",
        author="",
        arm="",
        hypothesis="",
        games=games,
        lessons_in=(),
        lessons_out=(),
        memory=False,
        time=event.time,
        seconds=float(result.get("seconds") or 0.0),
    )


def _score(result: dict[str, Any]) -> tuple[float | None, bool]:
    score = result.get("score")
    if not isinstance(score, int | float) or not math.isfinite(score):
        return None, False
    return float(score), not result.get("stopped_early")


def _reason(data: dict[str, Any]) -> str:
    """Why it ended as it did: the sandbox's message, else the last verdict against it."""
    result = data["result"]
    against = [v["reasons"] for v in data.get("verdicts") or () if v.get("decision") != "approve"]
    return str(result.get("message") or (against[-1] if against and result["status"] == "rejected" else ""))
