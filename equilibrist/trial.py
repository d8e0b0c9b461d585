"""Does memory make the next session better? The experiment that answers it, with the embedded researcher.

For every seed a session is run without a past. Then each seed runs again, with the memory of one other seed's
session and nothing else changed (the seeds form a ring: seed 2 remembers seed 1, …, seed 1 the last one).
Both are asked after how many experiments they first reach the best score of the session remembered. A
session that never does counts as one experiment more than it had. Everything lies in ``<into>/``, one home
per session, so an interrupted trial goes on where it stopped.
"""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from equilibrist.budget import Meter, Spent
from equilibrist.config import Config, session_record
from equilibrist.live import Watch
from equilibrist.memory_lift import interval, sign_test
from equilibrist.session import Control, Parts, conduct, open_models
from equilibrist.steer import Inbox
from memory.archive import Archive
from memory.embedder import Cached, Embedder, local_embedder
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.lessons import run_identity
from memory.store import Memory
from problems import PROBLEMS
from problems.inprocess import InProcess
from problems.problem import CandidateError
from sandbox.job import Job, Outcome, Record, Sandbox


class Pair(Record):
    """One seed's session without and with the memory of another's."""

    seed: int
    remembers: int
    """The seed whose session is remembered."""
    target: float
    """That session's best score."""
    alone: int | None
    """The experiment that reached the target without memory; None when none did."""
    with_memory: int | None
    best_alone: float
    best_with_memory: float


class Report(Record):
    problem: str
    games: tuple[str, ...]
    experiments: int
    pairs: tuple[Pair, ...]

    def counted(self, reached: int | None) -> int:
        return self.experiments + 1 if reached is None else reached

    @property
    def saved(self) -> list[int]:
        """Experiments saved by memory, per seed."""
        return [self.counted(pair.alone) - self.counted(pair.with_memory) for pair in self.pairs]


def run_trial(
    into: Path,
    config: Config,
    seeds: Sequence[int],
    outcomes: Path,
    say: Callable[[str], None],
) -> Report:
    """Run what is still to run and report. ``config``: of every session but for its seed; ``outcomes``: the
    home that keeps the baselines' outcomes."""
    into.mkdir(parents=True, exist_ok=True)
    embedder = Cached(local_embedder(), into / "vectors")
    sandbox = Here()

    def run(home: Path, seed: int, about: str) -> Archive:
        archive = _session(home, config.model_copy(update={"seed": seed}), sandbox, embedder, outcomes)
        say(f"seed {seed} {about}: best {best_score(archive):.4f}")
        return archive

    alone: dict[int, Archive] = {}

    def pair(seed: int, other: int) -> Pair:
        home = into / f"seed-{seed}-remembers-{other}"
        _remember(into / f"alone-{other}", home)
        found = run(home, seed, f"with the memory of seed {other}")
        target = best_score(alone[other])
        return Pair(
            seed=seed,
            remembers=other,
            target=target,
            alone=reached(alone[seed], target),
            with_memory=reached(found, target),
            best_alone=best_score(alone[seed]),
            best_with_memory=best_score(found),
        )

    pairs = []
    for before, seed in zip([None, *seeds], seeds, strict=False):
        alone[seed] = run(into / f"alone-{seed}", seed, "without memory")
        if before is not None:
            pairs.append(pair(seed, before))
            say(_told(pairs[-1]))
    pairs.append(pair(seeds[0], seeds[-1]))
    return Report(
        problem=config.problem, games=config.games, experiments=config.experiments, pairs=tuple(pairs)
    )


def report_json(report: Report) -> dict[str, Any]:
    low, high = interval(report.saved)
    return {
        **report.model_dump(mode="json"),
        "saved_mean": statistics.fmean(report.saved),
        "saved_interval": [low, high],
        "sign_test": sign_test(report.saved),
        "reached_with_memory": sum(pair.with_memory is not None for pair in report.pairs),
        "reached_alone": sum(pair.alone is not None for pair in report.pairs),
    }


def render(report: Report) -> Group:
    """The pairs and what they say together."""
    drawn = Table(
        "seed", "remembers", "target", "with memory", "without", "saved", "best with", "best without"
    )
    for pair, saved in zip(report.pairs, report.saved, strict=True):
        reached_at = [str(number or "never") for number in (pair.with_memory, pair.alone)]
        best = [f"{score:.4f}" for score in (pair.best_with_memory, pair.best_alone)]
        drawn.add_row(
            str(pair.seed), str(pair.remembers), f"{pair.target:.4f}", *reached_at, f"{saved:+d}", *best
        )
    told = report_json(report)
    low, high = told["saved_interval"]
    count = len(report.pairs)
    text = (
        f"With memory {told['reached_with_memory']} of {count} sessions reached the best score of the one "
        f"remembered, without {told['reached_alone']}. Memory saved {told['saved_mean']:+.1f} of "
        f"{report.experiments} experiments on average [{low:+.1f}, {high:+.1f}] (95 %, bootstrap over seeds; "
        f"sign test p = {told['sign_test']:.3f}). 'never' counts as {report.experiments + 1}."
    )
    return Group(drawn, Text(text))


def _told(pair: Pair) -> str:
    having, lacking = (number or "never" for number in (pair.with_memory, pair.alone))
    return f"seed {pair.seed} reaches {pair.target:.4f} at experiment {having} with memory, {lacking} without"


def reached(archive: Archive, target: float) -> int | None:
    """Number of the first experiment whose program scored the target over every game."""
    own = [entry for entry in archive.leaderboard if entry.number is not None]
    return min((e.number for e in own if e.number and (e.result.score or 0.0) >= target), default=None)


class Here:
    """Plays programs in this very process: the trial runs what the genetic researcher makes of our own
    baselines and nothing else, hundreds of programs. A program met again is not run again."""

    name, about, slots = "in-process", "runs what our own researcher made, in this process", 1
    uncovered: tuple[str, ...] = ("everything",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Outcome] = {}

    def run(self, job: Job) -> Outcome:
        key = (job.program, job.game, json.dumps(job.settings, sort_keys=True))
        if key not in self._known:
            self._known[key] = self._play(job)
        return self._known[key]

    def _play(self, job: Job) -> Outcome:
        problem, begun = PROBLEMS[job.problem], time.process_time()
        settings = {**job.settings, "seed": job.seed}
        try:
            rollout = import_module(problem.referee).rollout
            artifact = rollout(InProcess(problem.rule, job.program), _pack(job.problem, job.game), settings)
        except CandidateError as error:
            return Outcome(status=error.status, message=str(error)[-500:], sandbox=self.name)
        seconds = time.process_time() - begun
        return Outcome(status="ok", artifact=artifact, seconds=seconds, sandbox=self.name)

    def close(self) -> None: ...


@cache
def _pack(problem: str, game: str) -> bytes:
    return PROBLEMS[problem].pack(game)


def _remember(first: Path, home: Path) -> None:
    """Give a new home the first one's session, whole or not at all."""
    if not (home / "sessions").exists():
        draft = home / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(first / "sessions", draft)
        draft.rename(home / "sessions")


def _session(home: Path, config: Config, sandbox: Sandbox, embedder: Embedder, outcomes: Path) -> Archive:
    """Run the session ``seed-N`` of a home, or go on with it."""
    folder = home / "sessions" / f"seed-{config.seed}"
    if not (folder / "session.json").exists():
        run = run_identity(config.problem, config.seed, config.identity())
        snapshot = take_snapshot(home, run).model_dump(mode="json")
        Journal.create(folder, session_record(config, run=run, memory=snapshot)).close()
    with Journal.open(folder) as journal:
        watch = Watch(Console(stderr=True), config, quiet=True)
        meter = Meter(config, {}, Spent(), watch.spend)
        control = Control(meter, Inbox(journal), threading.Event())
        memory = Memory(home, journal, embedder)
        conduct(Parts(outcomes, journal, config, memory, sandbox, open_models(config), watch, control))
        return Archive.of(journal)


def best_score(archive: Archive) -> float:
    """Score of the best program that the session made itself."""
    own = (entry.result.score for entry in archive.leaderboard if entry.number is not None)
    return next((score for score in own if score is not None), float("-inf"))
