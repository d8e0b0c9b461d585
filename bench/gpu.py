"""Our regret engine on a GPU beside the same engine on one core: large games, and many settings at once."""

from __future__ import annotations

from collections.abc import Iterator
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
            made = _on_gpu("ours.iteration_on_device", game=game, apart=apart)
            yield Row("gpu", what, made, "s", "one core", core, at_least=None if apart else 10.0, note=note)
    game, size = SETTINGS
    what = f"{game}, {size} settings of DCFR at once, each: elapsed"
    theirs = measured("ours.batched", game=game, size=32)
    alone = theirs["alone"] if theirs else None
    made = _on_gpu("ours.batched_on_device", game=game, size=size)
    yield Row("gpu", what, made, "s", "one core, one setting", alone, at_least=50.0, note=note)


def _on_gpu(task: str, **arguments: Any) -> float | None:
    figures = measured(task, **arguments) if torch.cuda.is_available() else None
    return figures["seconds"] if figures else None
