"""Programs that try to get out of a sandbox or to forge a score, and whether each was held.

A held attack ended with a status that it may end with, reached nothing that it tried (it says so itself: all
are ours), changed nothing on this machine, and scored no better than the honest rule. None does any harm
where it is not held. Not covered here: faults of the kernel or the processor, and what a rule could infer
about its game from the arrays that it is given.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import compiled
from sandbox.attacks.target import HONEST, TARGET
from sandbox.job import Job, Limits, Outcome, Sandbox, SandboxError, Status

PROGRAMS = Path(__file__).parent / "programs"
PRELUDE = (Path(__file__).parent / "prelude.py").read_text(encoding="utf-8")
GAME = "rock_paper_scissors"
LIMITS = Limits(wall_seconds=10, cpu_seconds=10, memory_mb=128, output_kb=64)
MESSAGE_CHARACTERS = 6000
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
INHERITED = """
HOME HOSTNAME LANG MKL_NUM_THREADS OMP_NUM_THREADS PATH PWD PYTHONDONTWRITEBYTECODE PYTHONHASHSEED
PYTHONPATH PYTHONUNBUFFERED SHLVL _
""".split()
"""Variables whose values may be equal on both sides by themselves."""
TELLING = 8
"""Characters of a value from which on it cannot well be equal on both sides by chance, as "" and "1" are."""


@dataclass(frozen=True)
class Attack:
    """``sandbox/attacks/programs/NAME.py``; its docstring says what it must not achieve."""

    name: str
    ends: tuple[Status, ...] = ("ok",)
    """With what it may end when it is held."""
    fast: bool = True
    """Takes milliseconds and leaves the worker in use."""
    limits: Limits = LIMITS


@dataclass(frozen=True)
class AttackResult:
    name: str
    aim: str
    """What it must not achieve."""
    held: bool
    why: str


UNCOVERED = (
    "A fault of the kernel in a system call that stays allowed, a fault of the processor, and what "
    "processors leak between processes.",
    "A program that knows its game. Sizes give a game away, and the values that a rule is handed give the "
    "shuffled order away, so an answer can be played from memory as far as a program's 20,000 characters "
    "hold it. What counters it: games that the search never saw (dev, sealed).",
    "The neighbour's speed: caches and memory are shared, so no score is made from time.",
    "The memory of a GPU that a program was given: whether the driver clears it between processes cannot be "
    "seen from here.",
)
"""What no tier holds off, and the set does not try."""

ATTACKS = (
    Attack("network"),
    Attack("dns"),
    Attack("docker_socket"),
    Attack("host_files"),
    Attack("files"),
    Attack("environment"),
    Attack("imports"),
    Attack("frames"),
    Attack("forks"),
    Attack("threads"),
    Attack("signals"),
    Attack("tracing"),
    Attack("system_calls"),
    Attack("native_code", ("ok", "error")),
    Attack("disk"),
    Attack("priority"),
    Attack("clocks"),
    Attack("gpu"),
    Attack("second_thread"),
    Attack("output"),
    Attack("log_injection", ("error",)),
    Attack("forged_result", ("ok", "error")),
    Attack("late_writes", ("ok", "error", "invalid")),
    Attack("tampering"),
    Attack("channel", ("error",)),
    Attack("descriptors"),
    Attack("shared_memory"),
    Attack("last_words", ("error",)),
    Attack("guessing"),
    Attack("patches", ("error", "invalid")),
    Attack("pickles", ("error",)),
    Attack("lies", ("error",)),
    Attack("nan", ("invalid",)),
    Attack("negative", ("invalid",)),
    Attack("shape", ("invalid",)),
    Attack("memory", ("out_of_memory",), fast=False),
    Attack("daemon", ("ok",), fast=False),
    Attack("endless", ("timeout",), fast=False, limits=LIMITS.model_copy(update={"wall_seconds": 1.0})),
    Attack("cpu_time", ("timeout",), fast=False, limits=LIMITS.model_copy(update={"cpu_seconds": 1.0})),
    Attack("extensions", ("ok", "error"), fast=False),
    Attack("foreign_abi", ("ok", "error"), fast=False),
    Attack("exit", ("error",), fast=False),
    Attack("segfault", ("error",), fast=False),
)


def run_attacks(sandbox: Sandbox, fast: bool) -> list[AttackResult]:
    """Run the attack set, or its fast part, in ``sandbox``, one attack at a time."""
    honest = _run(sandbox, HONEST, LIMITS)
    if honest.status != "ok":
        raise SandboxError(f"an honest program fails in the sandbox: {honest.status}, {honest.message}")
    return [_try(sandbox, attack, honest) for attack in ATTACKS if attack.fast or not fast]


def _run(sandbox: Sandbox, program: str, limits: Limits) -> Outcome:
    settings = dict(TARGET.settings)
    return sandbox.run(
        Job(problem=TARGET.name, program=program, game=GAME, settings=settings, seed=1, limits=limits)
    )


def _try(sandbox: Sandbox, attack: Attack, honest: Outcome) -> AttackResult:
    source = (PROGRAMS / f"{attack.name}.py").read_text(encoding="utf-8")
    aim = " ".join(source.split('"""')[1].split())
    rule = "" if "class Rule" in source else HONEST
    with _bait() as facts:
        facts["memory_mb"] = attack.limits.memory_mb
        outcome = _run(sandbox, f"FACTS = {facts!r}\n{PRELUDE}\n{source}\n{rule}", attack.limits)
        silent = not re.search(r"^(tried|refused)", outcome.output, re.MULTILINE)
        idle = "did not run" if silent and re.search(r"attempt\(|tried", source) else ""
        breach = _breach(attack, outcome, honest) or _harm(facts) or idle
    return AttackResult(attack.name, aim, not breach, breach or _reason(outcome))


def _breach(attack: Attack, outcome: Outcome, honest: Outcome) -> str:
    """What the attack achieved, or why it proves nothing; empty when it was held."""
    if reached := re.findall(r"^BREACH (.*)$", outcome.output, re.MULTILINE):
        return f"reached: {'; '.join(reached)[:300]}"
    if outcome.status not in attack.ends:
        return f"ended with {outcome.status}: {outcome.message[:300]}"
    said = outcome.output + outcome.message
    if len(said) > (attack.limits.output_kb << 10) + MESSAGE_CHARACTERS or UNPRINTABLE.search(said):
        return "what it said was not capped or not made safe to print"
    if outcome.status != "ok":
        return ""
    if not outcome.artifact["exploitability"] >= honest.artifact["exploitability"]:
        return f"scored better than the honest rule: {outcome.artifact}"
    return ""


def _reason(outcome: Outcome) -> str:
    refused = re.findall(r"^refused (.*)$", outcome.output, re.MULTILINE)
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return f"{refused[0][:160]}{more}"
    if outcome.status == "ok":
        return "scored no better than the honest rule, and nothing was changed"
    return f"{outcome.status}: {outcome.message.partition(chr(10))[0][:160]}"


@contextlib.contextmanager
def _bait() -> Iterator[dict[str, Any]]:
    """What the attacks go for: a canary file, listening sockets, this process and its environment."""
    with tempfile.TemporaryDirectory(prefix="equilibrist-bait-") as folder, contextlib.ExitStack() as stack:
        Path(folder).chmod(0o755)
        canary = Path(folder, "canary")
        canary.write_text("canary")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(f"{folder}/socket")
        unix.listen()
        for listener in (tcp, unix):
            listener.setblocking(False)
        variables = {n: v for n, v in os.environ.items() if n not in INHERITED and len(v) >= TELLING}
        yield {
            "canary": str(canary),
            "port": tcp.getsockname()[1],
            "unix_socket": f"{folder}/socket",
            "session": os.getpid(),
            "names": sorted(variables),
            "variables": [hashlib.sha256(f"{n}={v}".encode()).hexdigest() for n, v in variables.items()],
            "project": str(Path(__file__).resolve().parents[2]),
            "cache": str(compiled.folder()),
            "marker": f"eq{secrets.token_hex(5)}",
        }


def _harm(facts: dict[str, Any]) -> str:
    """What an attack has done to this machine, if anything."""
    canary = Path(facts["canary"])
    beside = {path.name for path in canary.parent.iterdir()} - {"canary", "socket"}
    if not canary.exists() or canary.read_text() != "canary" or beside:
        return f"changed files beside the canary: {sorted(beside)}"
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == facts["marker"]:
                return f"left process {comm.parent.name} running"
        except OSError:
            continue
    return ""
