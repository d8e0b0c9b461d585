"""Warm workers: each is one referee with one zygote, one job at a time, discarded on any suspicion."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from problems import PROBLEMS
from problems.problem import Problem
from sandbox import channel, compiled
from sandbox.attacks.target import TARGET
from sandbox.job import Job, Outcome, SandboxError

START_SECONDS = 120.0
"""For a worker's start: importing torch from a cold disk is slow."""
GRACE_SECONDS = 15.0
"""For the referee's answer, beyond the job's own wall limit."""
TRIES = 2
"""A worker may be lost to something else; a program that kills two of them did it."""


class Worker(Protocol):
    """A running referee."""

    name: str
    stdin: BinaryIO
    stdout: BinaryIO

    def kill(self) -> None:
        """End it with all it started, and so end its streams; from any thread, any number of times."""

    def log(self) -> str:
        """The end of what it wrote to its standard error."""


class WorkerLost(Exception):
    """The worker ended, or was killed because it did not answer."""


class Pool:
    """A sandbox made of workers. One more worker than slots is kept, so that a replacement is ready.

    ``start(number)`` starts a worker (called in threads); it may raise SandboxError.
    """

    def __init__(
        self, name: str, about: str, uncovered: tuple[str, ...], slots: int, start: Callable[[int], Worker]
    ):
        self.name, self.about, self.uncovered, self.slots = name, about, uncovered, slots
        self._start = start
        self._numbers = itertools.count()
        self._starters = ThreadPoolExecutor(slots, thread_name_prefix=f"{name}-start")
        self._lock = threading.Lock()
        self._closed = False
        self._problems: dict[str, Problem] = {}
        """Asked for so far: what a new worker loads before it counts as ready."""
        self._alive: set[Worker] = set()
        self._ready: queue.SimpleQueue[Future[Conversation]] = queue.SimpleQueue()
        self._free_slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(slots):
            self._free_slots.put(slot)
        for _ in range(slots + 1):
            self._replace()

    def run(self, job: Job, game: bytes | None = None) -> Outcome:
        """Run one job; waits while all slots are taken. ``game`` is packed already where it came from afar.

        Raises SandboxError when a worker cannot be started, when the problem's own half or a game of the
        user's fails, or when the sandbox is closed meanwhile; whatever the program does is an outcome.
        """
        problem = find_problem(job.problem)
        request = job.model_dump(exclude={"problem", "game"})
        game = packed_game(job.problem, job.game) if game is None else game
        self._problems[problem.name] = problem
        slot = self._free_slots.get()
        try:
            for _ in range(TRIES):
                if self._closed:
                    raise self._closed_error()
                try:
                    answer = self._converse(problem, {**request, "slot": slot}, game)
                except WorkerLost:
                    continue
                return self._outcome(answer, job.game)
        finally:
            self._free_slots.put(slot)
        if self._closed:
            raise self._closed_error()
        message = (
            f"the sandbox's worker died or hung while running this program, {TRIES} times out of {TRIES}"
        )
        return Outcome(status="error", message=message, sandbox=self.name)

    def close(self) -> None:
        """End every worker; running jobs end with SandboxError."""
        with self._lock:
            self._closed = True
            alive = list(self._alive)
        for worker in alive:
            worker.kill()
        self._starters.shutdown(wait=True, cancel_futures=True)
        for _ in range(self.slots):
            self._ready.put(_settled(self._closed_error()))

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _converse(self, problem: Problem, request: dict[str, Any], game: bytes) -> dict[str, Any]:
        conversation = self._told(problem, request, game)
        try:
            answer, _ = conversation.receive(request["limits"]["wall_seconds"] + GRACE_SECONDS)
        except BaseException:
            self._discard(conversation)
            raise
        if answer["spoiled"]:
            self._discard(conversation)
        else:
            self._ready.put(_settled(conversation))
        return answer

    def _told(self, problem: Problem, request: dict[str, Any], game: bytes) -> Conversation:
        """A worker that has the job; those that died while they were idle are replaced."""
        while True:
            conversation = self._take()
            try:
                conversation.tell(problem, request, game)
                return conversation
            except WorkerLost:
                self._discard(conversation)
            except BaseException:
                self._discard(conversation)
                raise

    def _take(self) -> Conversation:
        try:
            return self._ready.get().result()
        except CancelledError:
            raise self._closed_error() from None
        except SandboxError:
            self._replace()
            raise

    def _outcome(self, answer: dict[str, Any], game: str) -> Outcome:
        if "failure" in answer:
            detail = "\n".join(filter(None, (answer["failure"], answer.get("output"))))
            failed = game if answer.get("brought") else f"the {self.name} sandbox"
            raise SandboxError(f"{failed} failed, through no fault of the program:\n{detail}")
        fields = {name: answer[name] for name in ("status", "message", "artifact", "output", "seconds")}
        return Outcome(**fields, sandbox=self.name)

    def _discard(self, conversation: Conversation) -> None:
        with self._lock:
            self._alive.discard(conversation.worker)
        conversation.worker.kill()
        self._replace()

    def _replace(self) -> None:
        with self._lock:
            closed = self._closed
            self._ready.put(_settled(self._closed_error()) if closed else self._starters.submit(self._open))

    def _open(self) -> Conversation:
        """A worker that is ready; one that is killed without a word on its way gets a second chance."""
        for _ in range(TRIES):
            worker = self._start(next(self._numbers))
            with self._lock:
                self._alive.add(worker)
                closed = self._closed
            conversation = Conversation(worker)
            try:
                if not closed:
                    conversation.greet(list(self._problems.values()))
                    return conversation
            except WorkerLost:
                pass
            worker.kill()
            with self._lock:
                self._alive.discard(worker)
                if self._closed:
                    raise self._closed_error()
            if reason := worker.log().strip():
                break
        raise SandboxError(f"a worker of the {self.name} sandbox did not start: {reason or 'it was killed'}")

    def _closed_error(self) -> SandboxError:
        return SandboxError(f"the {self.name} sandbox was closed")


class Conversation:
    """Messages with one worker, under a clock that kills it when it does not answer."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._machine = ""
        self._games: set[str] = set()
        self._rules: set[str] = set()
        self._untouched = True
        """No program has run in it."""

    def greet(self, problems: Iterable[Problem]) -> None:
        """Wait until the worker is ready, and has loaded what these problems need. Raises WorkerLost."""
        hello, _ = self.receive(START_SECONDS)
        self._machine = json.dumps(hello["ready"], sort_keys=True)
        for problem in problems:
            self._teach(problem)

    def tell(self, problem: Problem, request: dict[str, Any], game: bytes) -> None:
        """Hand over one job; a game travels once.

        Raises WorkerLost, or SandboxError with what fails in the problem's own halves.
        """
        rule = rule_digest(problem.rule)
        if rule not in self._rules and (failure := self._teach(problem)):
            raise SandboxError(f"problem {problem.name!r} fails, through no fault of the program:\n{failure}")
        self._untouched = False
        digest = hashlib.sha256(game).hexdigest()
        names = {"referee": problem.referee, "rule": rule, "game": digest}
        self._send({**request, **names}, b"" if digest in self._games else game)
        self._games.add(digest)

    def _teach(self, problem: Problem) -> str:
        """Make the worker load both halves of a problem; returns what fails in them."""
        rule = rule_digest(problem.rule)
        with compiled.turn(rule, self._machine) as turn:
            self._send({"referee": problem.referee, "rule": rule_text(problem.rule)}, turn.found)
            answer, fresh = self.receive(START_SECONDS)
            if fresh and self._untouched:  # or a program might have had a hand in it
                turn.keep(fresh)
        if not answer["failure"]:
            self._rules.add(rule)
        return str(answer["failure"])

    def _send(self, request: dict[str, Any], blob: bytes) -> None:
        """Returns when the worker has taken it: from then on a loss is the program's doing, most likely."""
        try:
            channel.send(self.worker.stdin, request, blob)
        except (OSError, ValueError):
            raise WorkerLost from None
        self.receive(START_SECONDS)

    def receive(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        """The worker's next answer. Raises WorkerLost, after ``seconds`` at the latest."""
        clock = threading.Timer(seconds, self.worker.kill)
        clock.start()
        try:
            return channel.receive(self.worker.stdout)
        except (EOFError, OSError, ValueError):
            raise WorkerLost from None
        finally:
            clock.cancel()


def _settled(result: Conversation | SandboxError) -> Future[Conversation]:
    future: Future[Conversation] = Future()
    if isinstance(result, SandboxError):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


def find_problem(name: str) -> Problem:
    """The registered problem of that name, or the sandbox's own target. Raises SandboxError if none."""
    if name == TARGET.name:
        return TARGET
    if name not in PROBLEMS:
        raise SandboxError(f"There is no problem {name!r}; there are: {', '.join(PROBLEMS)}.")
    return PROBLEMS[name]


@cache
def rule_text(module: str) -> str:
    """The candidate's half as it is sent, JSON: path inside the package -> source.

    A module is a package of one file. Nothing else of ours travels.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SandboxError(f"The candidate's half {module} cannot be found.")
    origin = Path(spec.origin)
    folder = origin.parent
    paths = sorted(folder.rglob("*.py")) if spec.submodule_search_locations else [origin]
    names = [str(path.relative_to(folder)) for path in paths] if len(paths) > 1 else ["__init__.py"]
    texts = {name: path.read_text(encoding="utf-8") for name, path in zip(names, paths, strict=True)}
    return json.dumps(texts, sort_keys=True)


def rule_digest(module: str) -> str:
    return hashlib.sha256(rule_text(module).encode()).hexdigest()


@cache
def packed_game(problem: str, game: str) -> bytes:
    """What the referee must know of the game, made once."""
    return find_problem(problem).pack(game)
