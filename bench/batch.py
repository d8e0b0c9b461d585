"""Settings of a rule's constants: one iteration of one setting, alone and in a batch."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Row, measured

SIZES = {"kuhn3": 64, "leduc2": 32, "liars_dice5": 8}


def rows(quick: bool) -> Iterator[Row]:
    for game, size in SIZES.items():
        figures = measured("ours.batched", game=game, size=size)
        if figures is not None:
            what = f"{game}, {size} settings of DCFR at once, each"
            yield Row("batch", what, figures["per_setting"], "s", "one setting alone", figures["alone"])
