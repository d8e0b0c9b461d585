"""What every section shares: a row of the report, and measurements, each in a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


@dataclass(frozen=True)
class Row:
    """One line of the report: a figure of ours, mostly beside a peer's, held to a goal where there is one."""

    section: str
    what: str
    ours: float | None
    unit: str
    """Of both figures: ``s`` (seconds), ``MiB``, or what is neither time nor space and has no ratio."""
    peer: str = ""
    theirs: float | None = None
    at_least: float | None = None
    """The ratio theirs / ours that is wanted."""
    at_most: float | None = None
    """What ours may be, in ``unit``."""
    no_less: float | None = None
    """What ours must reach, in ``unit``."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        comparable = self.unit in ("s", "MiB") and self.theirs is not None and self.ours
        return self.theirs / self.ours if comparable else None  # type: ignore[operator]

    @property
    def met(self) -> bool | None:
        """None where there is no goal, or nothing was measured."""
        if self.at_least is not None and self.ratio is not None:
            return self.ratio >= self.at_least
        if self.at_most is not None and self.ours is not None:
            return self.ours <= self.at_most
        if self.no_less is not None and self.ours is not None:
            return self.ours >= self.no_less
        return None


def measured(task: str, **arguments: Any) -> dict[str, Any] | None:
    """What ``bench.<module>.<function>`` returns in a fresh process; None when it failed, which is told.

    Args:
        task: ``module.function``, e.g. ``peers.openspiel``. Asked twice, it is measured once.
    """
    return _measured(task, json.dumps(arguments, sort_keys=True))


@cache
def _measured(task: str, arguments: str) -> dict[str, Any] | None:
    argv = [sys.executable, "-m", "bench.measure", task, arguments]
    print(f"  {task} {arguments}", file=sys.stderr, flush=True)
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        argv, env={**os.environ, **ONE_THREAD, "PYTHONPATH": path}, capture_output=True, text=True
    )
    if ended.returncode:
        last = (ended.stderr.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        print(f"  {task} failed: {last}", file=sys.stderr, flush=True)
        return None
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def sustained(step: Callable[[], object], iterations: int, seconds: float) -> tuple[float, int]:
    """CPU seconds of a call of ``step``, the median over the later half of a run, and how many were made.

    The run ends after ``iterations`` calls or, from the fourth on, ``seconds``. Its beginning is left out,
    for OpenSpiel prunes what is no longer reached and becomes faster.
    """
    ends = [time.process_time()]
    while len(ends) <= iterations and (len(ends) <= 4 or ends[-1] - ends[0] < seconds):
        step()
        ends.append(time.process_time())
    calls = len(ends) - 1
    later = ends[calls // 2 :]
    return statistics.median(b - a for a, b in itertools.pairwise(later)), calls


def quietest(step: Callable[[], object], seconds: float, rounds: int = 5) -> float:
    """CPU seconds per call: the least of several rounds, each of ``seconds`` or one call."""
    step()
    best = float("inf")
    for _ in range(rounds):
        calls, started = 0, time.process_time()
        while calls == 0 or time.process_time() - started < seconds:
            step()
            calls += 1
        best = min(best, (time.process_time() - started) / calls)
    return best


if __name__ == "__main__":
    from importlib import import_module

    module, function = sys.argv[1].split(".")
    result = getattr(import_module(f"bench.{module}"), function)(**json.loads(sys.argv[2]))
    print(json.dumps(result))
