"""A session: the outer loop of research, and the only place that writes experiments and lessons.

Experiment *n* sees the records of experiments up to *n - parallel*, and records are written in order of
number, so the result does not depend on which of two finishes first. Whatever was paid for lies in the
journal under a key before it is used; resuming is running the same loop over the same journal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from langchain_core.language_models import BaseChatModel

from agents.graph import run_experiment
from agents.models import open_model
from agents.state import Bench
from equilibrist.config import Config
from equilibrist.errors import Failed
from equilibrist.live import Watch
from memory.archive import Archive
from memory.journal import Journal
from memory.records import Baseline, Experiment, Lesson, program_id
from memory.store import Memory
from problems import PROBLEMS
from sandbox.job import Sandbox
from tools.evaluation import Evaluator, bar_of

End = Literal["done", "time", "interrupted"]
ROLES = ("proposer", "critic", "analyst")


@dataclass(frozen=True)
class Stop:
    """Asked before every new experiment: is there reason to start no more?"""

    deadline: float | None
    """On the monotonic clock."""
    asked: threading.Event
    """Set by Ctrl-C."""

    def reason(self) -> End | None:
        if self.asked.is_set():
            return "interrupted"
        return "time" if self.deadline is not None and time.monotonic() > self.deadline else None


def conduct(
    journal: Journal, config: Config, memory: Memory, sandbox: Sandbox, watch: Watch, asked: threading.Event
) -> End:
    """Run, or go on with, the session in ``journal`` until its end or until ``asked`` is set."""
    problem = PROBLEMS[config.problem]
    evaluator = Evaluator(problem, sandbox, journal.recorded)
    deadline = None if config.minutes is None else time.monotonic() + 60.0 * config.minutes
    stop = Stop(deadline, asked)
    baselines = judge_baselines(journal, evaluator, config.parallel, watch)
    archive = Archive.of(journal)
    bar = bar_of([baseline.result for baseline in baselines])
    bench = Bench(
        problem=problem,
        archive=archive,
        models=open_models(config),
        recorded=journal.recorded,
        recall=lambda query, limit: [],
        smoke=evaluator.smoke,
        evaluate=partial(evaluator.evaluate, games=problem.walls["train"], bar=bar),
        seed=config.seed,
    )
    for experiment in archive.experiments:
        watch.experiment(experiment)
    return _window(bench, memory, config, stop, partial(_record, journal, memory, watch))


def open_models(config: Config) -> dict[str, BaseChatModel]:
    """One chat model per role. Raises ModelError when one cannot be had."""
    return {role: open_model(getattr(config, role), role, config.seed) for role in ROLES}


def judge_baselines(journal: Journal, evaluator: Evaluator, parallel: int, watch: Watch) -> list[Baseline]:
    """Every baseline on the train games, by the path that candidates take.

    Raises:
        Failed: a baseline did not run; then nothing else would.
    """
    games = evaluator.problem.walls["train"]

    def judge(item: tuple[str, str]) -> Baseline:
        name, source = item

        def compute() -> dict[str, object]:
            journal.save_program(source)
            result = evaluator.evaluate(source, games)
            if result.status != "ok":
                raise Failed(
                    f"Baseline {name} did not run in the {evaluator.sandbox.name} sandbox ({result.status}): "
                    f"{result.message} Check this machine with: equilibrist doctor"
                )
            record = Baseline(name=name, program_id=program_id(source), source=source, result=result)
            return record.model_dump(mode="json")

        baseline = Baseline.model_validate(journal.recorded("baseline", name, compute))
        watch.baseline(baseline)
        return baseline

    with ThreadPoolExecutor(parallel, thread_name_prefix="baseline") as pool:
        return list(pool.map(judge, evaluator.problem.baselines.items()))


def _window(
    bench: Bench, memory: Memory, config: Config, stop: Stop, record: Callable[[Experiment, Archive], None]
) -> End:
    """Keep ``parallel`` experiments in flight; hand them to ``record`` in order of number."""
    archive = bench.archive
    known = {experiment.number for experiment in archive.experiments}
    recorded = next(n for n in range(config.experiments + 1) if n + 1 not in known)
    started = recorded
    finished: dict[int, Experiment] = {}
    running: set[Future[Experiment]] = set()
    pool = ThreadPoolExecutor(config.parallel, thread_name_prefix="experiment")
    try:
        while recorded < config.experiments:
            while started < min(config.experiments, recorded + config.parallel) and stop.reason() is None:
                started += 1
                running.add(
                    pool.submit(
                        run_experiment, started, _view(bench, archive, memory, started - config.parallel)
                    )
                )
            if not running:
                return stop.reason() or "done"
            done, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            finished |= {experiment.number: experiment for experiment in (future.result() for future in done)}
            while recorded + 1 in finished:
                recorded += 1
                archive = archive.grown(finished.pop(recorded))
                record(archive.experiments[-1], archive)
        return "done"
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _view(bench: Bench, archive: Archive, memory: Memory, upto: int) -> Bench:
    """The bench of an experiment that may know the session up to experiment ``upto``."""

    def recall(query: str, limit: int) -> list[Lesson]:
        return [found.lesson for found in memory.recall(query, k=limit, upto=max(0, upto))]

    return replace(bench, archive=archive.upto(upto), recall=recall)


def _record(journal: Journal, memory: Memory, watch: Watch, experiment: Experiment, archive: Archive) -> None:
    """The one place where an experiment enters the journal, after the lessons drawn from it."""
    drafts = experiment.analysis.lessons if experiment.analysis else ()
    experiment = experiment.model_copy(update={"lesson_ids": memory.learn(experiment, drafts)})
    memory.credit(experiment, archive.improvement(experiment))
    if experiment.proposal:
        journal.save_program(experiment.proposal.source)
    journal.append("experiment", str(experiment.number), **experiment.model_dump(mode="json"))
    watch.experiment(experiment)
