"""Warm workers: each is one referee with one zygote, one job at a time, discarded on any suspicion."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from problems import PROBLEMS
from problems.problem import Problem
from sandbox import channel
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
        self._alive: set[Worker] = set()
        self._ready: queue.SimpleQueue[Future[Conversation]] = queue.SimpleQueue()
        self._free_slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(slots):
            self._free_slots.put(slot)
        for _ in range(slots + 1):
            self._replace()

    def run(self, job: Job) -> Outcome:
        """Run one job; waits while all slots are taken.

        Raises SandboxError when a worker cannot be started, when the problem's own half fails, or when the
        sandbox is closed meanwhile; whatever the program does is an outcome.
        """
        problem = find_problem(job.problem)
        request = {**job.model_dump(exclude={"problem", "game"}), **halves(problem)}
        game = packed_game(job.problem, job.game)
        slot = self._free_slots.get()
        try:
            for _ in range(TRIES):
                if self._closed:
                    raise self._closed_error()
                try:
                    answer = self._converse({**request, "slot": slot}, game)
                except WorkerLost:
                    continue
                return self._outcome(answer)
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

    def _converse(self, request: dict[str, Any], game: bytes) -> dict[str, Any]:
        conversation = self._told(request, game)
        try:
            answer = conversation.receive(request["limits"]["wall_seconds"] + GRACE_SECONDS)
        except BaseException:
            self._discard(conversation)
            raise
        if answer["spoiled"]:
            self._discard(conversation)
        else:
            self._ready.put(_settled(conversation))
        return answer

    def _told(self, request: dict[str, Any], game: bytes) -> Conversation:
        """A worker that has the job; those that died while they were idle are replaced."""
        while True:
            conversation = self._take()
            try:
                conversation.tell(request, game)
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

    def _outcome(self, answer: dict[str, Any]) -> Outcome:
        if "failure" in answer:
            detail = "\n".join(filter(None, (answer["failure"], answer.get("output"))))
            raise SandboxError(f"the {self.name} sandbox failed, through no fault of the program:\n{detail}")
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
                    conversation.greet()
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
        self._sent: set[str] = set()

    def greet(self) -> None:
        """Wait until the worker is ready, and has loaded what all problems need. Raises WorkerLost."""
        self.receive(START_SECONDS)
        for problem in PROBLEMS.values():
            self._send(halves(problem), b"")
            self.receive(START_SECONDS)

    def tell(self, request: dict[str, Any], game: bytes) -> None:
        """Hand over one job; a game travels once. Raises WorkerLost."""
        digest = hashlib.sha256(game).hexdigest()
        self._send({**request, "game": digest}, b"" if digest in self._sent else game)
        self._sent.add(digest)

    def _send(self, request: dict[str, Any], game: bytes) -> None:
        """Returns when the worker has taken it: from then on a loss is the program's doing, most likely."""
        try:
            channel.send(self.worker.stdin, request, game)
        except (OSError, ValueError):
            raise WorkerLost from None
        self.receive(START_SECONDS)

    def receive(self, seconds: float) -> dict[str, Any]:
        """The worker's next answer. Raises WorkerLost, after ``seconds`` at the latest."""
        clock = threading.Timer(seconds, self.worker.kill)
        clock.start()
        try:
            return channel.receive(self.worker.stdout)[0]
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


def halves(problem: Problem) -> dict[str, str]:
    """The referee's half by name and the candidate's half as source."""
    return {"referee": problem.referee, "rule": rule_source(problem.rule)}


@cache
def rule_source(module: str) -> str:
    """Source of the candidate's half, which is sent to it as text."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise SandboxError(f"The candidate's half {module} cannot be found.")
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def packed_game(problem: str, game: str) -> bytes:
    """What the referee must know of the game, made once."""
    return find_problem(problem).pack(game)
