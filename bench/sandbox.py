"""How long a candidate takes to start in each sandbox, beside plain ``docker run`` of the same image.

A start is everything from handing over the smallest program to holding its outcome, three iterations of a
matrix game included. ``docker run`` starts a bare container whose Python imports torch, and nothing else.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.measure import Row, measured
from sandbox import AUTOMATIC, open_sandbox
from sandbox.attacks.target import HONEST, TARGET
from sandbox.image import code_tag
from sandbox.job import Job, SandboxError
from sandbox.pool import Pool

PEER = "docker run, torch imported"
BARE = ("docker", "run", "--rm", "--network", "none", "--read-only", "--user", "candidate")


def rows(quick: bool) -> Iterator[Row]:
    figures = measured("sandbox.starts", repeats=5 if quick else 20)
    if figures is None:
        return
    theirs = figures.pop(PEER, None)
    for name, seconds in figures.items():
        note = "" if theirs else "no Docker engine: no peer"
        what = f"{name}: a candidate's start, median, elapsed"
        yield Row("sandbox", what, seconds, "s", PEER, theirs, at_most=0.05, note=note)


def starts(repeats: int) -> dict[str, float]:
    """Median seconds of each way, which are tried in turn so that the load of the machine meets all alike."""
    with ExitStack() as stack:
        ways = _opened(stack)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, once in ways.items():
                begun = time.perf_counter()
                once()
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken) for name, taken in times.items()}


def _opened(stack: ExitStack) -> dict[str, Callable[[], object]]:
    """Each sandbox that works here, with all its workers started, and ``docker run``."""
    ways: dict[str, Callable[[], object]] = {}
    for name in AUTOMATIC:
        try:
            pool = stack.enter_context(open_sandbox(name, slots=1, say=lambda text: None))
        except SandboxError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        for _ in range(2 * pool.slots + 2):
            _start(pool)
        ways[name] = lambda pool=pool: _start(pool)  # type: ignore[misc]
    if "docker" in ways:
        command = [*BARE, code_tag(), "python3", "-c", "import torch"]
        ways[PEER] = lambda: subprocess.run(command, check=True)
    return ways


def _start(pool: Pool) -> None:
    smallest = Job(
        problem=TARGET.name, program=HONEST, game=TARGET.smoke[0], settings=dict(TARGET.smoke_settings)
    )
    outcome = pool.run(smallest)
    if outcome.status != "ok":
        raise SandboxError(f"the smallest program fails: {outcome.message}")
