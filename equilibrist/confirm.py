"""Confirmation: a program on the sealed games, at other horizons, and in its problem's trials; counted.

What is measured here goes to the person who asked and into the journal under the kind ``confirmation``,
which no agent, prompt, tool or lesson reads.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equilibrist.cache import OutcomeCache
from equilibrist.evaluate import PATIENT, at_horizon
from equilibrist.home import session_folders
from equilibrist.programs import Named
from equilibrist.table import Plan, Progress, Report, run
from equilibrist.verdict import Against, against, losses
from memory.journal import Journal, scan
from problems.problem import Problem, Trial
from sandbox.job import Job, Record, Sandbox

KIND = "confirmation"


class Part(Record):
    """One horizon on some games."""

    name: str
    """``sealed``, or ``horizon 250``."""
    games: tuple[str, ...]
    losses: dict[str, dict[str, list[float] | None]]
    """Program -> game -> log10 exploitability at the end (the negative normalised return, where that is what
    counts), one per repeat; None where a run failed."""
    failed: tuple[str, ...]
    """Games on which the program did not end its run, each with why."""
    against: tuple[Against, ...]
    """Every baseline, the hardest to beat first."""
    wins: tuple[str, ...]
    """Games on which the program is better than every baseline, or equal to the best."""
    beats_all: bool


class Tried(Record):
    """What one trial showed."""

    name: str
    about: str
    passed: bool
    said: str
    figures: dict[str, float]


class Confirmation(Record):
    """The journal's event and what ``--json`` prints."""

    session: str
    program: str
    program_id: str
    problem: str
    sandbox: str
    repeats: int
    parts: tuple[Part, ...]
    trials: tuple[Tried, ...]
    confirmed: bool
    """Whether it beats every baseline by more than the spread on the sealed games."""
    count: int
    """Which confirmation of this program in this home it is, from 1."""
    programs: int
    """Programs of this problem confirmed in this home so far, this one included: the more were looked at,
    the less one success means."""


@dataclass(frozen=True)
class Asked:
    """What to run."""

    parts: tuple[tuple[str, Problem, tuple[str, ...]], ...]
    """Name, problem with the settings of the horizon, games."""
    repeats: int


def plan(
    problem: Problem, games: Sequence[str] | None, horizons: Sequence[str] | None, repeats: int
) -> Asked:
    """Sealed games at the horizon of the search; train and dev games at the other horizons.

    Args:
        games: instead of all of these, for every part.
        horizons: names of ``Problem.horizons``; None for all of them.

    Raises:
        Usage: an unknown horizon.
    """
    known = (*problem.walls["train"], *problem.walls["dev"])
    parts = [("chosen" if games else "sealed", problem, tuple(games or problem.walls["sealed"]))]
    for horizon in problem.horizons if horizons is None else horizons:
        parts.append((f"horizon {horizon}", at_horizon(problem, horizon), tuple(games or known)))
    return Asked(tuple(parts), repeats)


def earlier(program: Named, asked: Asked) -> Confirmation | None:
    """The same confirmation, if this session's journal has it."""
    event = Journal.view(program.folder).find(KIND, _key(program, asked))
    return Confirmation.model_validate(event.data) if event else None


def confirm(program: Named, asked: Asked, box: Sandbox, progress: Progress) -> Confirmation:
    """Run it, and write it down. What was run before is read back from the home's cache.

    Raises:
        JournalError: the session is being written by another process.
    """
    with Journal.open(program.folder) as journal:  # before anything is run: another writer may hold it
        parts = tuple(_part(program, name, part, box, progress) for name, part in _plans(program, asked))
        trials = tuple(_try(program, trial, box) for trial in program.problem.trials)
        past = _past(program)
        made = Confirmation(
            session=program.folder.name,
            program=program.name,
            program_id=program.program_id,
            problem=program.problem.name,
            sandbox=box.name,
            repeats=asked.repeats,
            parts=parts,
            trials=trials,
            confirmed=parts[0].beats_all,
            count=past.count(program.program_id) + 1,
            programs=len({*past, program.program_id}),
        )
        journal.save_program(program.source)
        journal.append(KIND, _key(program, asked), **made.model_dump(mode="json"))
    return made


def _plans(program: Named, asked: Asked) -> list[tuple[str, Plan]]:
    sources = {**program.problem.baselines, program.name: program.source}
    return [
        (name, Plan(program.home, problem, sources, games, asked.repeats))
        for name, problem, games in asked.parts
    ]


def _part(program: Named, name: str, made: Plan, box: Sandbox, progress: Progress) -> Part:
    report = made.report(box.name, run(made, box, progress))
    duels = [against(report, program.name, b) for b in program.problem.baselines if b != program.name]
    failed = [
        f"{cell.game}: {cell.result.status}, {cell.result.message}"
        for cell in report.cells
        if cell.program == program.name and cell.result.status != "ok"
    ]
    return Part(
        name=name,
        games=made.games,
        losses={p: {game: losses(report, p, game) for game in made.games} for p in made.sources},
        failed=tuple(dict.fromkeys(failed)),
        against=tuple(sorted(duels, key=_hardest)),
        wins=_wins(report, duels),
        beats_all=bool(duels) and all(duel.beaten for duel in duels),
    )


def _hardest(other: Against) -> float:
    """Sorts the baseline that is hardest to beat first; one that could not be compared before all."""
    return -math.inf if other.margin is None else other.margin


def _wins(report: Report, duels: Sequence[Against]) -> tuple[str, ...]:
    lost = {duel.game for other in duels for duel in other.duels if duel.outcome == "loss"}
    whole = not any(other.failed for other in duels)
    return tuple(game for game in report.games if whole and game not in lost)


def _try(program: Named, trial: Trial, box: Sandbox) -> Tried:
    cache = OutcomeCache(program.home, program.problem, box.name)
    artifacts: list[Any] = []
    for settings in trial.runs:
        seed = int(hashlib.sha256(f"{program.program_id} {trial.name}".encode()).hexdigest()[:8], 16)
        job = Job(
            problem=program.problem.name,
            program=program.source,
            game=trial.game,
            settings=dict(settings),
            seed=seed,
            limits=PATIENT,
        )
        key = f"trial {program.program_id} {trial.game} {json.dumps(dict(settings), sort_keys=True)} {seed}"
        outcome = cache.recorded(
            "trial",
            key,
            lambda job=job: {"outcome": box.run(job).model_dump(mode="json")},  # type: ignore[misc]
        )["outcome"]
        if outcome["status"] != "ok":
            said = f"it did not run: {outcome['status']}, {outcome['message']}"
            return Tried(name=trial.name, about=trial.about, passed=False, said=said, figures={})
        artifacts.append(outcome["artifact"])
    found = trial.judge(artifacts)
    return Tried(
        name=trial.name, about=trial.about, passed=found.passed, said=found.said, figures=dict(found.figures)
    )


def _key(program: Named, asked: Asked) -> str:
    parts = [(name, problem.settings, games) for name, problem, games in asked.parts]
    text = json.dumps([program.program_id, parts, asked.repeats], sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _past(program: Named) -> list[str]:
    """Ids of the programs of all confirmations in this home, of this problem."""
    events = (event for folder in session_folders(program.home) for event in scan(folder, KIND))
    return [event.data["program_id"] for event in events if event.data["problem"] == program.problem.name]
