"""What goes into a sandbox and what comes out: one untrusted program, one outcome."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

Status = Literal["ok", "error", "timeout", "out_of_memory", "invalid", "rejected"]
"""How a program ended. ``rejected`` is only given before a run (checks, critic)."""


class Record(BaseModel):
    """A frozen record that refuses unknown fields; JSON is its only form on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Record):
    wall_seconds: float = 60.0
    cpu_seconds: float = 60.0
    """CPU time of the candidate alone."""
    memory_mb: int = 1024
    """Memory the candidate may allocate on top of its imports."""
    output_kb: int = 64
    """What is kept of the candidate's stdout and stderr together; the rest is dropped."""


class Job(Record):
    """One program on one game."""

    problem: str
    program: str
    """Source text."""
    game: str
    settings: dict[str, Any]
    seed: int = 0
    """Shuffles the order of infosets and actions that the candidate sees."""
    limits: Limits = Limits()


class Outcome(Record):
    """What a run gave. Every failure of the program is a status; a failure of ours is an exception."""

    status: Status
    message: str = ""
    """For a failed run: what the author of the program needs to mend it (error text, its own line)."""
    artifact: dict[str, Any] = {}
    """What the referee's rollout returned (JSON), possibly partial when the status is not ``ok``."""
    output: str = ""
    """What the candidate printed, capped and made safe to print."""
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    """How long the run held a GPU; counts towards the session's budget."""
    sandbox: str = ""


class SandboxError(Exception):
    """A failure of ours or of the machine, never of the program; the message is for a person."""


class Unavailable(SandboxError):
    """This kind of sandbox does not work on this machine; the message says why."""


class Sandbox(Protocol):
    """Runs jobs, several threads at once, up to ``slots`` together."""

    name: str
    about: str
    """What this sandbox is, in one line."""
    slots: int
    uncovered: tuple[str, ...]
    """What this sandbox does not protect against, one sentence each."""

    def run(self, job: Job) -> Outcome: ...

    def close(self) -> None: ...
