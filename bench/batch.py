"""Settings of a rule's constants: one iteration of one setting, alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bench.measure import Row, measured

SIZES = {"kuhn3": 64, "leduc2": 32, "liars_dice5": 8}


def rows(quick: bool) -> Iterator[Row]:
    for game, size in SIZES.items():
        figures = measured("ours.batched", game=game, size=size)
        if figures is not None:
            what = f"{game}, {size} settings of DCFR at once, each"
            yield Row("batch", what, figures["per_setting"], "s", "one setting alone", figures["alone"])
    what = (
        "a torch device is here, but batches run on the CPU alone" if torch.cuda.is_available() else "no GPU"
    )
    yield Row(
        "batch",
        "leduc2 on a GPU",
        None,
        "s",
        "one CPU core",
        None,
        at_least=50.0,
        note=f"not measured: {what}",
    )
