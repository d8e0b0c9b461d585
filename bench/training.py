"""The training set of Li et al. 2026, 1000 iterations, exact exploitability every 10; and the wall's cost."""

from __future__ import annotations

from collections.abc import Iterator

from bench.iteration import RULE, SECONDS
from bench.measure import Row, measured

GAMES = ("kuhn3", "leduc2", "goofspiel4", "liars_dice5")
PEER = "OpenSpiel C++ CFR+"


def rows(quick: bool) -> Iterator[Row]:
    theirs = _theirs(quick)
    note = "theirs: 1000 sustained iterations and 100 NashConv of each game, added up"
    inside = measured("ours.training", rule=RULE)
    if inside is not None:
        what = "training set, one process"
        yield Row("training", f"{what}, CPU", inside["cpu"], "s", PEER, theirs, at_most=0.6, note=note)
        yield Row("training", f"{what}, elapsed", inside["wall"], "s")
    apart = measured("ours.walled", rule=RULE)
    if apart is not None:
        what = "training set, with the wall, elapsed"
        yield Row("wall", what, apart["wall"], "s", at_most=1.2, note=apart["sandbox"].split(",")[0])
        yield Row("wall", what, apart["wall"], "s", PEER, theirs, at_least=150.0)
        yield Row("wall", "one crossing, request and answer", apart["crossing"], "s", at_most=25e-6)


def _theirs(quick: bool) -> float | None:
    total = 0.0
    for game in GAMES:
        solver = measured("peers.openspiel", game=game, iterations=1000, seconds=SECONDS[quick])
        judge = measured("peers.nash_conv", game=game)
        if solver is None or judge is None:
            return None
        total += 1000 * solver["iteration"] + 100 * judge["nash_conv"]
    return total
