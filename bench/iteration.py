"""One alternating iteration of each player, on one thread, and exact NashConv."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Row, measured

RULE = "dcfr"
GAMES = {"leduc2": 100.0, "goofspiel4": 100.0, "liars_dice5": 100.0, "liars_dice6": 100.0, "leduc3": 500.0}
"""The wanted ratio to OpenSpiel's C++ CFR+; none on small games, where a torch rule is level with C++."""
QUICK = ("kuhn3", "leduc2", "goofspiel4", "liars_dice5")
PYTHON = {True: ("leduc2",), False: ("leduc2", "goofspiel4", "liars_dice5")}
NASH_CONV = {True: ("leduc2", "liars_dice5"), False: ("leduc2", "goofspiel4", "liars_dice5", "liars_dice6")}
SECONDS = {True: 8.0, False: 60.0}
"""CPU time that a peer gets on a game, for at most 1000 iterations."""


def rows(quick: bool) -> Iterator[Row]:
    for game in QUICK if quick else ("kuhn3", *GAMES):
        ours = measured("ours.iteration", game=game, rule=RULE, iterations=1000, seconds=5.0)
        theirs = measured("peers.openspiel", game=game, iterations=1000, seconds=SECONDS[quick])
        yield _row("iteration", game, ours, "OpenSpiel C++ CFR+", theirs, GAMES.get(game))
        if game in PYTHON[quick]:
            theirs = measured("peers.openspiel_python", game=game, iterations=1000, seconds=SECONDS[quick])
            yield _row("iteration", game, ours, "OpenSpiel Python DCFR", theirs, 1000.0)
        if game == "leduc2":
            theirs = measured("peers.liteefg", game=game, iterations=1000, seconds=SECONDS[quick])
            yield _row("iteration", game, ours, "LiteEFG DCFR", theirs, 40.0)
    for game in NASH_CONV[quick]:
        ours = measured("ours.iteration", game=game, rule=RULE, iterations=1000, seconds=5.0)
        theirs = measured("peers.nash_conv", game=game)
        yield _row("NashConv", game, ours, "pyspiel.nash_conv", theirs, 1000.0)


def _row(
    section: str,
    game: str,
    ours: dict[str, float] | None,
    peer: str,
    theirs: dict[str, float] | None,
    at_least: float | None,
) -> Row:
    figure = "nash_conv" if section == "NashConv" else "iteration"
    note = "not measured: it is not installed or failed" if theirs is None else ""
    if theirs is not None and "iterations" in theirs:
        note = f"theirs sustained over {theirs['iterations']:.0f} iterations"
    return Row(
        section,
        game,
        None if ours is None else ours[figure],
        "s",
        peer,
        None if theirs is None else theirs[figure],
        at_least=at_least,
        note=note,
    )
