"""Memory of the largest game: referee and rule in one process, all that they import included."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Row, measured


def rows(quick: bool) -> Iterator[Row]:
    for game in ("leduc3",) if quick else ("leduc3", "goofspiel5"):
        peak = measured("ours.memory", game=game)
        if peak is not None:
            yield Row("memory", f"{game}, playing", peak["playing"], "MiB", at_most=2048.0)
            yield Row("memory", f"{game}, compiling", peak["compiling"], "MiB", at_most=2048.0)
