"""How long a candidate takes to start in each sandbox, beside plain `docker run` of its image, in one run.

A start is everything between handing over the smallest program and holding its outcome: three iterations of a
matrix game included. `docker run` starts a bare container whose Python imports torch, and does nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack

from sandbox import SANDBOXES, open_sandbox
from sandbox.attacks.target import HONEST, TARGET
from sandbox.image import code_tag
from sandbox.job import Job, SandboxError
from sandbox.pool import Pool

SMALLEST = Job(
    problem=TARGET.name, program=HONEST, game=TARGET.smoke[0], settings=dict(TARGET.smoke_settings)
)
BARE = "docker run --rm --network none --read-only --user candidate {image} python3 -c".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    print(f"{platform.machine()}, {os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f}")
    with ExitStack() as stack:
        ways = dict(opened(stack))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):  # in turn, so that the load of the machine meets all alike
            for name, once in ways.items():
                times[name].append(seconds(once))
    slowest = statistics.median(times.get("docker run", []) or max(times.values()))
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(
            f"{name:15} median {middle * 1e3:8.1f} ms   best {min(taken) * 1e3:8.1f} ms   "
            f"{slowest / middle:6.1f} times faster than the peer   n = {len(taken)}"
        )


def opened(stack: ExitStack) -> list[tuple[str, Callable[[], object]]]:
    """What is timed: each sandbox that works here, with all its workers started, and `docker run`."""
    ways: list[tuple[str, Callable[[], object]]] = []
    for name in SANDBOXES:
        try:
            pool = stack.enter_context(open_sandbox(name, slots=1, say=print))
        except SandboxError as error:
            print(f"{name}: {error}")
            continue
        for _ in range(2 * pool.slots + 2):
            started(pool)
        ways.append((name, lambda pool=pool: started(pool)))  # type: ignore[misc]
    if ways and ways[0][0] == "docker":
        command = [word.format(image=code_tag()) for word in BARE]
        ways.append(("docker run", lambda: subprocess.run([*command, "import torch"], check=True)))
        ways.append(("  no torch", lambda: subprocess.run([*command, "pass"], check=True)))
    return ways


def started(pool: Pool) -> None:
    outcome = pool.run(SMALLEST)
    if outcome.status != "ok":
        raise SandboxError(f"the smallest program fails: {outcome.message}")


def seconds(once: Callable[[], object]) -> float:
    begun = time.perf_counter()
    once()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
