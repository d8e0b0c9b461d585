"""What is measured of Equilibrist; each function in a process of its own."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from typing import Any

import torch

from bench.measure import quietest, sustained
from problems.games.layout import Game, arrange
from problems.games.tables import from_bytes
from problems.inprocess import InProcess
from problems.regret import PROBLEM, referee
from problems.regret.batch import widened
from problems.regret.on_device import OnDevice
from problems.regret.table import Batch, Table
from problems.regret.table_on_device import DeviceBatch, DeviceTable

TRAIN = PROBLEM.walls["train"]
PAPERS = {"checkpoints": list(range(10, 1001, 10)), "alternating": True}
"""1000 iterations, exact exploitability every 10, as in Li et al. 2026."""
IDLE = """
class Rule:
    def __init__(self, infosets):
        self.policy = infosets.uniform()

    def accumulate_average(self):
        pass

    def accumulate_regret(self):
        pass

    def next_policy(self):
        return self.policy

    def average_policy(self):
        return self.policy
"""


def _table(game: str, source: str) -> Any:
    return Table(InProcess(PROBLEM.rule, source), _game(game))


def _game(name: str) -> Game:
    return arrange(from_bytes(PROBLEM.pack(name)), 1)


def _settings(size: int) -> list[dict[str, float]]:
    """Of two constants of DCFR."""
    return [{"ALPHA": 1.0 + b / size, "GAMMA": 2.0 + b / size} for b in range(size)]


def iteration(game: str, rule: str, iterations: int, seconds: float) -> dict[str, float]:
    """CPU seconds of an alternating iteration, rule in eager PyTorch, no wall; and of NashConv."""
    table = _table(game, PROBLEM.baselines[rule])
    table.play(3, True)
    each, calls = sustained(lambda: table.play(1, True), iterations, seconds)
    nash_conv = quietest(lambda: table._exploitability(table.state), 0.05)
    return {"iteration": each, "iterations": calls, "nash_conv": nash_conv}


def training(rule: str) -> dict[str, float]:
    """The paper's training set in this process, everything after the imports: CPU and wall seconds."""
    games = {game: PROBLEM.pack(game) for game in TRAIN}
    source = PROBLEM.baselines[rule]
    referee.rollout(
        InProcess(PROBLEM.rule, source), games["kuhn3"], {"checkpoints": [3], "alternating": True, "seed": 0}
    )
    cpu, wall = [], []
    for seed in range(3):
        started, ticked = time.process_time(), time.monotonic()
        for game in games.values():
            referee.rollout(InProcess(PROBLEM.rule, source), game, {**PAPERS, "seed": seed})
        cpu.append(time.process_time() - started)
        wall.append(time.monotonic() - ticked)
    return {"cpu": min(cpu), "wall": min(wall)}


def walled(rule: str) -> dict[str, Any]:
    """The same with referee and candidate apart, in the sandbox that a session would take; and a crossing.

    A crossing is what one request and its answer add: a long run less a short one of a rule that does
    nothing, less the same in one process.
    """
    from sandbox import open_sandbox
    from sandbox.job import Job

    def job(source: str, game: str, settings: dict[str, Any]) -> Job:
        return Job(problem=PROBLEM.name, program=source, game=game, settings=settings, seed=1)

    said: list[str] = []
    with open_sandbox("auto", slots=1, say=said.append) as box:

        def seconds(source: str, game: str, settings: dict[str, Any]) -> float:
            started = time.monotonic()
            outcome = box.run(job(source, game, settings))
            if outcome.status != "ok":
                raise RuntimeError(f"{game}: {outcome.status}, {outcome.message}")
            return time.monotonic() - started

        source = PROBLEM.baselines[rule]
        seconds(source, "kuhn3", {"checkpoints": [3], "alternating": True})
        sets = [sum(seconds(source, game, PAPERS) for game in TRAIN) for _ in range(3)]
        short, long = ({"checkpoints": [n], "alternating": True} for n in (1000, 11_000))
        apart = min(seconds(IDLE, "kuhn2", long) for _ in range(3)) - min(
            seconds(IDLE, "kuhn2", short) for _ in range(3)
        )
    table = _table("kuhn2", IDLE)
    together = quietest(lambda: table.play(1000, True), 0.0) * 10
    return {"wall": min(sets), "crossing": (apart - together) / 20_000, "sandbox": said[-1]}


def memory(game: str) -> dict[str, float]:
    """Peak resident MiB of a process that plays the game with CFR+, one iteration, and judges it."""
    data = PROBLEM.pack(game)  # compiled in another process: measured is what a referee and a rule need
    pid = os.fork()
    if pid == 0:
        settings = {"checkpoints": [1], "alternating": True, "seed": 0}
        referee.rollout(InProcess(PROBLEM.rule, PROBLEM.baselines["cfr_plus"]), data, settings)
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"the run on {game} ended with status {status}")
    compiling = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"playing": usage.ru_maxrss / 1024, "compiling": compiling / 1024}


def batched(game: str, size: int) -> dict[str, float]:
    """CPU seconds of an iteration of DCFR alone, and per setting in a batch of settings of two constants."""
    source, constants = PROBLEM.baselines["dcfr"], _settings(size)
    alone = _table(game, source)
    wide = Batch(InProcess(PROBLEM.rule, widened(source)), _game(game), constants)
    one = quietest(lambda: alone.play(20, True), 0.1) / 20
    many = quietest(lambda: wide.play(5, True), 0.1) / 5
    return {"alone": one, "per_setting": many / len(constants)}


def iteration_on_device(game: str, apart: bool, device: str = "cuda") -> dict[str, float]:
    """Elapsed seconds of an alternating iteration of DCFR, the sweeps on a device, in one process.

    Args:
        apart: whether the rule stays on the processor, as behind the wall.
    """
    source = PROBLEM.baselines["dcfr"]
    candidate = InProcess(PROBLEM.rule, source) if apart else OnDevice(source, device)
    table = DeviceTable(device, candidate, _game(game))
    return {"seconds": _elapsed(lambda: table.play(100, True)) / 100}


def batched_on_device(game: str, size: int, device: str = "cuda") -> dict[str, float]:
    """Elapsed seconds of an iteration of DCFR per setting, ``size`` settings at once, all on a device."""
    candidate = OnDevice(widened(PROBLEM.baselines["dcfr"]), device)
    table = DeviceBatch(device, candidate, _game(game), _settings(size))
    return {"seconds": _elapsed(lambda: table.play(20, True)) / 20 / size}


def _elapsed(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the quickest of several rounds, each waited for to its end."""
    spent = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        started = time.monotonic()
        work()
        torch.cuda.synchronize()
        spent.append(time.monotonic() - started)
    return min(spent[1:])
