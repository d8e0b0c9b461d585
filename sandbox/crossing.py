"""The referee's handle on a candidate: hand over arrays, call, notice how it ended, keep the time."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Sequence
from types import FrameType
from typing import Any, Literal, NoReturn

import numpy as np

from problems.problem import CandidateError
from sandbox import channel

Failure = Literal["error", "timeout", "out_of_memory", "invalid"]
Spec = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape of a shared array (channel.ArraySpec)."""
WORDS = tuple(bytes([op]) for op in range(256))
TICK_SECONDS = 0.2


class ZygoteLost(Exception):
    """The zygote ended: neither the program's doing, most likely, nor a fault of ours."""


class Candidate:
    """One running program. What problems may use is ``open`` and ``call``; both raise CandidateError.

    After a failure every further call raises the same error.
    """

    def __init__(self, zygote: socket.socket, job: dict[str, Any], output_fd: int) -> None:
        self.failure: CandidateError | None = None
        self._ending: dict[str, Any] | None = None
        self._limits = job["limits"]
        self._zygote = zygote
        self._waiting = False
        request, self._request = os.pipe()
        self._reply, reply = os.pipe()
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = {name: job[name] for name in ("program", "rule", "core")}
        text |= {name: self._limits[name] for name in ("memory_mb", "cpu_seconds")}
        fds = [channel.seal(json.dumps(text).encode()), request, reply, control.detach(), output_fd]
        socket.send_fds(zygote, [b"run"], fds)
        for fd in fds:
            os.close(fd)
        signal.signal(signal.SIGALRM, self._tick)
        # It repeats, for a signal between the check and the read would wake nobody.
        signal.setitimer(signal.ITIMER_REAL, self._limits["wall_seconds"], TICK_SECONDS)

    def start(self) -> None:
        """Wait until the program has been executed. Raises RuntimeError when it could not be confined."""
        if os.read(self._reply, 1) != channel.DONE:
            raise RuntimeError("the candidate's process could not be confined; its output says why")
        self._cross(b"")

    def open(self, setup: dict[str, Any], arrays: Sequence[Spec]) -> dict[str, np.ndarray]:
        """Make fresh instances in the candidate; returns the shared arrays, zeroed, by name.

        ``setup`` holds JSON values and arrays (at any depth), of which the candidate gets its own copy. The
        candidate may write to every shared array at any time: copy what it wrote, then check the copy.
        """
        specs = [channel.ArraySpec(*spec) for spec in arrays]
        shared = channel.shared_memory(specs)
        fds = [channel.seal(channel.pack_setup(setup, specs)), shared]
        socket.send_fds(self._control, [b"open"], fds)
        os.close(fds[0])
        self._cross(WORDS[channel.OPEN])
        return channel.map_arrays(shared, specs)

    def call(self, op: int) -> None:
        """One crossing: the candidate runs callable number ``op`` and answers."""
        self._cross(WORDS[op])

    def finish(self) -> dict[str, Any]:
        """Stop the clock, have the candidate ended, return what the zygote tells of its end."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        return self._ending or self._end(b"end")

    def _cross(self, word: bytes) -> None:
        self._waiting = True
        try:
            if self.failure is not None:
                raise self.failure
            os.write(self._request, word)
            answer = os.read(self._reply, 2)
            if len(answer) == 2:
                self._fail("error", "the program answered more often than the referee asked")
            if answer != channel.DONE:
                self._fail(*(self._reported() if answer else self._died()))
        except BrokenPipeError:
            self._fail(*self._died())
        finally:
            self._waiting = False

    def _tick(self, signum: int, frame: FrameType | None) -> None:
        if self.failure is None:
            message = f"not done after {self._limits['wall_seconds']:g} s of wall-clock time"
            self.failure = CandidateError("timeout", message)
        if self._waiting:
            raise self.failure

    def _fail(self, status: Failure, message: str) -> NoReturn:
        self.failure = CandidateError(status, message)
        raise self.failure

    def _reported(self) -> tuple[Failure, str]:
        """What the candidate says of itself; it may lie, but only about how it failed."""
        try:
            report = json.loads(self._control.recv(1 << 16))
            status, message = report["status"], str(report["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return "error", "the program tampered with the wall between itself and the referee"
        return (status if status in ("out_of_memory", "invalid") else "error"), message

    def _died(self) -> tuple[Failure, str]:
        self._waiting = False  # the zygote answers, and its answer must not be left in the socket
        ending = self._end(b"died")
        code = ending["exit_code"]
        if not ending["ended_itself"]:
            return "error", "the program closed its connection to the referee"
        if -code == signal.SIGXCPU or ending["cpu_seconds"] >= self._limits["cpu_seconds"]:
            return "timeout", f"used more than {self._limits['cpu_seconds']:g} s of CPU time"
        if -code == signal.SIGKILL:
            return "out_of_memory", "killed by the system, most likely for want of memory"
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return "error", f"the program ended its own process {how}"

    def _end(self, word: bytes) -> dict[str, Any]:
        try:
            self._zygote.send(word)
            answer = self._zygote.recv(4096)
        except OSError:
            answer = b""
        if not answer:
            raise ZygoteLost
        ending: dict[str, Any] = json.loads(answer)
        self._ending = ending
        return ending
