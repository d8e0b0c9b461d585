"""What the framework itself costs per experiment: a session whose models and sandbox answer at once.

Whole experiments of the problem *regret* with its real prompts, tools, checks, journal and memory. Only two
things are played: the three roles, each in two replies, and what a run in the sandbox measures. Their own CPU
time is taken off, and so is that of the sentence embedder, which is a model too and has a row of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from langchain_core.messages import AIMessage, BaseMessage
from rich.console import Console

from agents.prices import Price
from agents.scripted import ScriptedModel, calls
from bench.measure import Row, measured
from equilibrist.budget import Meter, Spent
from equilibrist.config import Config, session_record
from equilibrist.home import new_session, open_home
from equilibrist.live import Watch
from equilibrist.session import Control, Parts, conduct
from equilibrist.steer import Inbox
from memory.embedder import Cached, local_embedder
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.lessons import run_identity
from memory.records import Experiment
from memory.store import Memory
from problems.regret.score import HORIZON, checkpoints
from sandbox.job import Job, Outcome

GOAL = 0.030
"""CPU seconds per experiment."""
AGAIN = 50
"""Experiments that a figure is the median of."""
MARK = "    def variant"


def rows(quick: bool) -> Iterator[Row]:
    found = measured("framework.costs", experiments=600 if quick else 5000)
    if found is None:
        return
    first = next(iter(found["costs"].values()))
    for after, seconds in found["costs"].items():
        note = f"{seconds / first:.2f} of what the first takes, {found['memory'][after]:.0f} MiB held"
        yield Row("framework", f"an experiment, the {after}th", seconds, "s", at_most=GOAL, note=note)
    yield Row("framework", "embedding its lesson and question", found["embedder"], "s")


def costs(experiments: int) -> dict[str, Any]:
    """CPU seconds of an experiment in a session of so many: by its number, each the median of some before it;
    the process's memory then (MiB, resident); and what the embedder took besides."""
    played = Played()
    marks: list[float] = []
    held: list[float] = []

    def mark() -> None:
        marks.append(time.process_time() - played.seconds)
        held.append(_resident())

    with tempfile.TemporaryDirectory() as folder:
        _session(Path(folder), played, experiments, mark)
    spent = [after - before for before, after in itertools.pairwise(marks)]
    numbers = [n for n in (100, 600, 1500, 3000, 5000) if n <= experiments]
    return {
        "costs": {n: statistics.median(spent[n - AGAIN - 1 : n - 1]) for n in numbers},
        "memory": {n: held[n - 1] for n in numbers},
        "embedder": played.embedder_seconds / experiments,
    }


def _resident() -> float:
    """MiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Played:
    """The model and the sandbox, and the CPU time that they and the embedder took themselves."""

    name = "played"
    about = "no sandbox"
    slots = 1
    uncovered: tuple[str, ...] = ()
    note = ""

    def __init__(self) -> None:
        self.seconds = self.embedder_seconds = 0.0
        self.model = ScriptedModel(replies=[self._timed(self._reply)], name_shown="played")
        self.run: Callable[[Job], Outcome] = self._timed(outcome)
        self._embed = self._timed(local_embedder().embed)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        before = self.seconds
        rows: np.ndarray = self._embed(texts)
        self.embedder_seconds += self.seconds - before
        return rows

    def close(self) -> None:
        pass

    def _reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        self.model.asked.clear()  # which a scripted model keeps, and its memory is not to count
        return reply(messages)

    def _timed(self, play: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(asked: Any) -> Any:
            began = time.thread_time()
            try:
                return play(asked)
            finally:
                self.seconds += time.thread_time() - began

        return timed


def outcome(job: Job) -> Outcome:
    """A run that converges at a speed which the program's text decides."""
    speed = 0.4 + crc32(f"{job.program} {job.game}".encode()) / 2**32
    at = checkpoints(HORIZON)
    gaps = [0.5 * t**-speed for t in at]
    artifact = {"iterations": at, "exploitability": gaps, "last_iterate": gaps, "value_1": gaps}
    return Outcome(status="ok", artifact=artifact, seconds=0.01, sandbox="played")


def reply(messages: Sequence[BaseMessage]) -> AIMessage:
    """A role's next reply: it reads a program, then hands in what its brief asks for."""
    brief = json.loads(messages[1].text.split("```json\n")[1].split("\n```")[0])
    role, number = brief["role"], brief["experiment"]
    if len(messages) == 2:
        made = calls(("read_program", {"program_id": brief["parent_id"]}))
    elif role == "proposer":
        source = _varied(json.loads(messages[3].text)["source"], number)
        made = calls(("submit_program", {"source": source, "hypothesis": f"Variant {number} is faster."}))
    elif role == "critic":
        made = calls(("give_verdict", {"decision": "approve", "reasons": "Cheap to test."}))
    else:
        text = f"Mark {number % 700} of {number % 11} makes games of kind {number % 13} converge earlier."
        lesson = {"text": text, "kind": "insight", "effect": number % 7 / 7}
        made = calls(("submit_analysis", {"explanation": "As said.", "lessons": [lesson]}))
    made.usage_metadata = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    return made


def _varied(source: str, number: int) -> str:
    """The program with a last method whose structure no other experiment's has, for its like is looked up."""
    dice = random.Random(number)
    terms = [f"{dice.choice('+-*')} ({dice.choice('tuvw')} {dice.choice('+-*')} 2)" for _ in range(12)]
    method = f"{MARK}(self, t, u, v, w):\n        return {number} {' '.join(terms)}\n"
    return f"{source.partition(MARK)[0].rstrip()}\n\n{method}"


def _session(home: Path, played: Played, experiments: int, mark: Callable[[], None]) -> None:
    """A session of so many; ``mark`` is called at the end of each experiment."""
    home = open_home(home)
    config = Config(
        problem="regret",
        experiments=experiments,
        parallel=1,
        proposer="played",
        critic="played",
        analyst="played",
    )

    class Marking(Watch):
        def experiment(self, experiment: Experiment, known: bool = False) -> None:
            super().experiment(experiment, known)
            mark()

    run = run_identity(config.problem, config.seed, config.identity())
    folder = new_session(home, config.problem)
    record = session_record(config, run=run, memory=take_snapshot(home, run).model_dump(mode="json"))
    with Journal.create(folder, record) as journal:
        watch = Marking(Console(quiet=True), config)
        meter = Meter(config, {"played": Price(input=1.0, output=1.0)}, Spent(), watch.spend)
        control = Control(meter, Inbox(journal), threading.Event())
        memory = Memory(home, journal, Cached(played, home / "memory" / "vectors"))
        models = {"played": played.model}
        conduct(Parts(home, journal, config, memory, played, models, watch, control))
