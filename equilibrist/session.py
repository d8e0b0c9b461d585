"""A session: the outer loop of research, and the only place that writes experiments and lessons.

Experiment *n* sees the records of experiments up to *n - parallel*, and records are written in order of
number, so the result does not depend on which of two finishes first. Whatever was paid for lies in the
journal under a key before it is used; resuming is running the same loop over the same journal.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from agents.ensemble import choose, members
from agents.errors import GivenUp, ModelError
from agents.models import attach, open_model
from agents.state import Bench
from equilibrist.arms import Lines, Sweep, conduct_one, shares, turns
from equilibrist.budget import End, Halted, Meter
from equilibrist.cache import OutcomeCache
from equilibrist.config import Config
from equilibrist.errors import Failed
from equilibrist.live import Watch
from equilibrist.steer import Inbox
from memory.archive import Archive
from memory.journal import Journal
from memory.records import SEARCH, Baseline, Experiment, Lesson, Proposal, Result, Verdict, program_id
from memory.store import Memory
from problems import PROBLEMS
from problems.problem import tailored
from sandbox.job import Limits, Sandbox
from tools.evaluation import Bar, Evaluator, Recorded, bar_of

Models = Mapping[str, BaseChatModel]
"""By name."""


@dataclass(frozen=True)
class Control:
    """What may end or steer a session from outside."""

    meter: Meter
    inbox: Inbox
    asked: threading.Event
    """Set by Ctrl-C."""

    def reason(self) -> End | None:
        """Why no new experiment may begin, if so."""
        if self.asked.is_set():
            return "interrupted"
        return "paused" if self.inbox.pausing() else self.meter.reason()

    def check(self) -> None:
        """Raises Halted when the session is to end."""
        if reason := self.reason():
            raise Halted(reason)

    def check_running(self) -> None:
        """Raises Halted when what is in flight is to end, too: for a pause it is not."""
        if reason := "interrupted" if self.asked.is_set() else self.meter.reason():
            raise Halted(reason)


@dataclass(frozen=True)
class Parts:
    """What a session is made of."""

    home: Path
    journal: Journal
    config: Config
    memory: Memory
    sandbox: Sandbox
    models: Models
    watch: Watch
    control: Control


def conduct(parts: Parts) -> End:
    """Run, or go on with, the session in the journal until its end or until something stops it.

    Raises:
        ModelError, SandboxError, JournalError: a model is gone, or the sandbox, or the disk is full. What
            was in flight has come to rest and is kept.
    """
    journal, config, watch, control = parts.journal, parts.config, parts.watch, parts.control
    problem = tailored(PROBLEMS[config.problem], config.games, config.device)
    for model in parts.models.values():
        attach(model, control.check_running, watch.writing if watch.live else None)
    allowed = Limits(wall_seconds=problem.seconds, cpu_seconds=problem.seconds)
    evaluator = Evaluator(problem, parts.sandbox, _gated(journal.recorded, journal, control), allowed)
    cache = OutcomeCache(parts.home, problem, parts.sandbox.name)
    judge = replace(evaluator, recorded=_gated(cache.behind(journal.recorded), journal, control))
    try:
        baselines = judge_baselines(journal, judge, config.parallel, watch)
    except Halted as halted:
        return halted.reason
    archive = Archive.of(journal)
    bar = bar_of([baseline.result for baseline in baselines])
    bench = Bench(
        problem=problem,
        archive=archive,
        models={},
        recorded=journal.recorded,
        recall=lambda query, limit: [],
        smoke=evaluator.smoke,
        evaluate=partial(evaluator.evaluate, games=problem.walls["train"], bar=bar),
        seed=config.seed,
        pay=control.meter.pay,
        without_memory=config.without_memory,
        earlier=parts.memory.experiment,
        stage=watch.stage,
        approve=partial(_approval, control, watch) if config.approve else None,
    )
    for experiment in archive.experiments:
        watch.experiment(experiment, known=True)
    sweep = partial(_swept, evaluator, problem.walls["train"])
    return _Window(bench, parts, sweep).run()


def _swept(
    evaluator: Evaluator,
    games: Sequence[str],
    bar: Bar,
    source: str,
    settings: Sequence[Mapping[str, float]],
    repeat: int,
) -> list[Result]:
    return replace(evaluator, repeat=repeat).sweep(source, games, settings, bar)


def open_models(config: Config) -> Models:
    """Every chat model that the session may ask. Raises ModelError when one cannot be had."""
    return {
        name: open_model(
            name, role, config.seed, config.reply_tokens, config.reply_seconds, config.text_calls
        )
        for name, role in model_names(config).items()
    }


def model_names(config: Config) -> dict[str, str]:
    """The models of a session, each with a role that it plays."""
    proposers = {name: "proposer" for name in members(config.proposer)}
    return {config.analyst: "analyst", config.critic: "critic", **proposers}


def _gated(recorded: Recorded, journal: Journal, control: Control) -> Recorded:
    """``recorded``, where no run in the sandbox begins once the session is to stop, and GPU time counts."""

    def answer(kind: str, key: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        def counted() -> dict[str, Any]:
            control.check_running()
            made = run()
            if seconds := made["outcome"].get("gpu_seconds"):
                journal.append("gpu", seconds=seconds)
                control.meter.held_gpu(seconds)
            return made

        return recorded(kind, key, counted)

    return answer


def _approval(control: Control, watch: Watch, number: int, proposal: Proposal) -> Verdict:
    watch.say(f"Experiment {number} waits for you: equilibrist approve {watch.session}")
    return control.inbox.verdict(number, proposal, control.check)


def judge_baselines(journal: Journal, evaluator: Evaluator, parallel: int, watch: Watch) -> list[Baseline]:
    """Every baseline of the session on the train games, by the path that candidates take. Those that the
    problem gained since the session began are not among them.

    Raises:
        Failed: a baseline did not run; then nothing else would.
    """
    games, sources = evaluator.problem.walls["train"], evaluator.problem.baselines

    def judge(name: str) -> Baseline:
        def compute() -> dict[str, object]:
            if name not in sources:
                raise Failed(f"The session began with a baseline {name}, which the problem no longer has.")
            source = sources[name]
            journal.save_program(source)
            result = evaluator.evaluate(source, games)
            if result.status != "ok":
                step = "Check this machine with: equilibrist doctor"
                if result.status == "timeout":
                    step = "The machine is too busy, or a game too large: try --parallel 1, or a smaller one"
                raise Failed(
                    f"Baseline {name} did not run in the {evaluator.sandbox.name} sandbox ({result.status}): "
                    f"{result.message.rstrip('.')}. {step}"
                )
            record = Baseline(name=name, program_id=program_id(source), source=source, result=result)
            return record.model_dump(mode="json")

        baseline = Baseline.model_validate(journal.recorded("baseline", name, compute))
        watch.baseline(baseline)
        return baseline

    pool = ThreadPoolExecutor(parallel, thread_name_prefix="baseline")
    try:
        futures = [pool.submit(judge, name) for name in journal.session.get("baselines", sources)]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = [future for future in futures if future in done and future.exception()]
        if failed and all(isinstance(future.exception(), Halted) for future in failed):
            wait(futures)  # a replay whose record ends in one of them; the others may be whole in it
        return [future.result() for future in failed or futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after a failure the others are not waited for


class _Window:
    """Keeps ``parallel`` experiments in flight and writes them down in order of number."""

    def __init__(self, bench: Bench, parts: Parts, sweep: Sweep) -> None:
        self.bench, self.parts, self.sweep = bench, parts, sweep
        self.arms = shares(parts.config.arms)
        self.total, self.parallel = parts.config.experiments, parts.config.parallel
        self.ensemble = members(parts.config.proposer)
        known = {experiment.number for experiment in bench.archive.experiments}
        self.recorded = next(n for n in count() if n + 1 not in known)  # more than a new total, perhaps
        self.started = self.recorded
        self.turns = islice(turns(self.arms), self.started, None)
        """Arms of the experiments still to begin."""
        first = max(0, self.recorded + 1 - self.parallel)
        self.seen = {n: Lines.of(bench.archive.upto(n), self.arms) for n in range(first, self.recorded + 1)}
        """What the experiments still to begin may see, by the last experiment in it."""
        known_upto = {n: bench.archive.upto(n).experiments for n in self.seen}
        self.spent = {n: sum(e.evaluations for e in known) for n, known in known_upto.items()}
        """Evaluations of these experiments."""
        self.finished: dict[int, Experiment] = {}
        self.running: set[Future[Experiment]] = set()
        self.end: End | None = None
        self.failure: BaseException | None = None
        """What went wrong on our side or the model's, not the program's."""

    def run(self) -> End:
        pool = ThreadPoolExecutor(self.parallel, thread_name_prefix="experiment")
        gc.freeze()  # or each full collection walks the libraries' 300,000 objects, a quarter of a second
        try:
            while self.recorded < self.total:
                while self._may_begin():
                    self._begin(pool)
                if not self.running:
                    break
                if self.parts.control.asked.is_set() and self.end is None:
                    self.end = "interrupted"
                    self.parts.control.meter.halt("interrupted")
                    self.parts.watch.say("Stopping after the replies in flight. Ctrl-C again: at once.")
                done, self.running = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(future)
                while self.recorded + 1 in self.finished:
                    self._write()
        finally:
            gc.unfreeze()
            pool.shutdown(wait=False, cancel_futures=True)
        if self.failure:
            raise self.failure
        return "done" if self.recorded >= self.total else self.end or self.parts.control.reason() or "done"

    def _may_begin(self) -> bool:
        room = self.started < min(self.total, self.recorded + self.parallel)
        budget = self.parts.config.evaluations
        if room and budget is not None and self.spent[max(0, self.started + 1 - self.parallel)] >= budget:
            self.end = self.end or "budget"
        return room and self.end is None and self.parts.control.reason() is None

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        self.started += 1
        number, upto = self.started, max(0, self.started - self.parallel)
        config, models, own = self.parts.config, self.parts.models, next(self.turns)
        archive = self.seen[upto][own]
        try:
            begun = self.parts.control.inbox.begin(number)
        except Halted as halted:
            self.end = halted.reason
            return
        proposer = choose(self.ensemble, archive, config.seed, number)

        def recall(query: str, limit: int) -> list[Lesson]:
            found = self.parts.memory.recall(query, k=limit, upto=upto)
            return [as_told(item.lesson, self.parts.journal.folder.name) for item in found]

        bench = replace(
            self.bench,
            archive=archive,
            recall=recall,
            steering=begun.steering,
            arm=own,
            islands=config.islands,
            models={
                "proposer": models[proposer],
                "critic": models[config.critic],
                "analyst": models[config.analyst],
            },
        )
        run = partial(conduct_one, sweep=self.sweep, budget=config.tune)
        self.running.add(pool.submit(run, number, bench, begun.given))

    def _settle(self, future: Future[Experiment]) -> None:
        """Take in an experiment that ended. One that was halted comes again when the session is resumed."""
        try:
            experiment = future.result()
            self.finished[experiment.number] = experiment
        except ModelError as lost:
            told = {"tries": len(lost.faults), "faults": lost.faults, "message": str(lost)}
            self.parts.journal.append("unanswered", **lost.about, **told)
            self._stop(lost.__cause__ if isinstance(lost, GivenUp) else lost)
        except Exception as failure:
            self._stop(failure)

    def _stop(self, why: BaseException | None) -> None:
        if isinstance(why, Halted):
            if why.reason != "done":  # where a replay's record of one experiment ends, others may go on
                self.end = self.end or why.reason
            return
        self.end = "model lost" if isinstance(why, ModelError) else "failed"
        self.failure = self.failure or why
        self.parts.control.meter.halt(self.end)

    def _write(self) -> None:
        self.recorded += 1
        experiment = self.finished.pop(self.recorded)
        self.seen[self.recorded] = self.seen[self.recorded - 1].grown(experiment)
        self.spent[self.recorded] = self.spent[self.recorded - 1] + experiment.evaluations
        for past in (self.seen, self.spent):
            past.pop(self.recorded - self.parallel, None)
        _record(self.parts, experiment, self.seen[self.recorded][experiment.arm])


EVIDENCE_TOLD = 5
"""Experiments named for, and against, a lesson; its ``reason`` counts them all."""


def as_told(lesson: Lesson, session: str) -> Lesson:
    """The lesson with the evidence of this very session as ``#number``: what the agents read must not
    depend on how a session happens to be called, or a rerun would not repeat it. The first few experiments
    stand for all, or what every experiment confirms would fill the messages."""
    own = f"{session}/"

    def told(names: tuple[str, ...]) -> tuple[str, ...]:
        few = names[:EVIDENCE_TOLD]
        return tuple(f"#{name.removeprefix(own)}" if name.startswith(own) else name for name in few)

    evidence = {"supported_by": told(lesson.supported_by), "contradicted_by": told(lesson.contradicted_by)}
    return lesson.model_copy(update=evidence)


def _record(parts: Parts, experiment: Experiment, archive: Archive) -> None:
    """The one place where an experiment enters the journal, after the lessons drawn from it. ``archive`` is
    its arm's, with the experiment's parent."""
    journal, memory = parts.journal, parts.memory
    searched = experiment.analysis is not None and experiment.arm == SEARCH  # controls teach nobody
    drafts = experiment.analysis.lessons if experiment.analysis and searched else ()
    experiment = experiment.model_copy(update={"lesson_ids": memory.learn(experiment, drafts)})
    memory.credit(experiment, archive.improvement(experiment))
    if experiment.proposal:
        journal.save_program(experiment.proposal.source)
    if experiment.analysis and experiment.analysis.ablation:
        journal.save_program(experiment.analysis.ablation.source)
    journal.recorded("experiment", str(experiment.number), lambda: experiment.model_dump(mode="json"))
    parts.watch.experiment(experiment)
