"""Our regret engine on a GPU beside the same engine on one core: large games, and many settings at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bench.measure import Row, measured

LARGE = ("leduc3", "goofspiel5")
SETTINGS = ("leduc2", 2048)
WAYS = {"rule on it too": False, "rule on the processor, no wall": True}


def rows(quick: bool) -> Iterator[Row]:
    note = torch.cuda.get_device_name() if torch.cuda.is_available() else "not measured: no GPU"
    for game in LARGE:
        seconds = 2.0 if quick else 10.0
        theirs = measured("ours.iteration", game=game, rule="dcfr", iterations=100, seconds=seconds)
        core = theirs["iteration"] if theirs else None
        for way, apart in WAYS.items():
            what = f"{game}, DCFR on a GPU, {way}: elapsed"
            made = _on_gpu("gpu.iteration", game=game, apart=apart)
            yield Row("gpu", what, made, "s", "one core", core, at_least=None if apart else 10.0, note=note)
    game, size = SETTINGS
    what = f"{game}, {size} settings of DCFR at once, each: elapsed"
    theirs = measured("ours.batched", game=game, size=32)
    alone = theirs["alone"] if theirs else None
    made = _on_gpu("gpu.batched", game=game, size=size)
    yield Row("gpu", what, made, "s", "one core, one setting", alone, at_least=50.0, note=note)


def _on_gpu(task: str, **arguments: Any) -> float | None:
    figures = measured(task, **arguments) if torch.cuda.is_available() else None
    return figures["seconds"] if figures else None


def iteration(game: str, apart: bool, device: str = "cuda") -> dict[str, Any]:
    """Elapsed seconds of an alternating iteration of DCFR, the sweeps on a device, in one process.

    Args:
        apart: whether the rule stays on the processor, as behind the wall.
    """
    from bench.ours import PROBLEM
    from problems.games.layout import arrange
    from problems.games.tables import from_bytes
    from problems.inprocess import InProcess
    from problems.regret.on_device import OnDevice
    from problems.regret.table_on_device import DeviceTable

    source = PROBLEM.baselines["dcfr"]
    candidate = InProcess(PROBLEM.rule, source) if apart else OnDevice(source, device)
    table = DeviceTable(device, candidate, arrange(from_bytes(PROBLEM.pack(game)), 1))
    return {"seconds": _elapsed(lambda: table.play(100, True)) / 100}


def batched(game: str, size: int, device: str = "cuda") -> dict[str, Any]:
    """Elapsed seconds of an iteration of DCFR per setting, ``size`` settings at once, all on a device."""
    from bench.ours import PROBLEM
    from problems.games.layout import arrange
    from problems.games.tables import from_bytes
    from problems.regret.batch import widened
    from problems.regret.on_device import OnDevice
    from problems.regret.table_on_device import DeviceBatch

    constants = [{"ALPHA": 1.0 + b / size, "GAMMA": 2.0 + b / size} for b in range(size)]
    candidate = OnDevice(widened(PROBLEM.baselines["dcfr"]), device)
    table = DeviceBatch(device, candidate, arrange(from_bytes(PROBLEM.pack(game)), 1), constants)
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
