"""The libraries one would use instead; each function in a process of its own."""

from __future__ import annotations

from typing import Any

from bench.measure import quietest, sustained


def _load(game: str) -> Any:
    from problems.games.compile import load

    return load(game)


def openspiel(game: str, iterations: int, seconds: float) -> dict[str, float]:
    """CPU seconds of an iteration of OpenSpiel's C++ CFR+ solver."""
    import pyspiel

    solver = pyspiel.CFRPlusSolver(_load(game))
    each, calls = sustained(solver.evaluate_and_update_policy, iterations, seconds)
    return {"iteration": each, "iterations": calls}


def openspiel_python(game: str, iterations: int, seconds: float) -> dict[str, float]:
    """CPU seconds of an iteration of OpenSpiel's Python DCFR solver."""
    from open_spiel.python.algorithms import discounted_cfr

    solver = discounted_cfr.DCFRSolver(_load(game))
    each, calls = sustained(solver.evaluate_and_update_policy, iterations, seconds)
    return {"iteration": each, "iterations": calls}


def nash_conv(game: str) -> dict[str, float]:
    """CPU seconds of ``pyspiel.nash_conv`` at the uniform policy."""
    import pyspiel

    loaded = _load(game)
    policy = pyspiel.UniformRandomPolicy(loaded)
    return {"nash_conv": quietest(lambda: pyspiel.nash_conv(loaded, policy), 0.0, rounds=2)}


def liteefg(game: str, iterations: int, seconds: float) -> dict[str, float]:
    """CPU seconds of an iteration of LiteEFG's DCFR. torch stays out of this process: together they crash."""
    import LiteEFG
    import LiteEFG.baselines.DCFR as DCFR
    import pyspiel

    from problems.games import GAMES

    environment = LiteEFG.OpenSpielEnv(pyspiel.load_game(GAMES[game]))
    graph = DCFR.graph()
    environment.set_graph(graph)

    each, calls = sustained(lambda: graph.update_graph(environment), iterations, seconds)
    return {"iteration": each, "iterations": calls}
