"""PSRO side by side with OpenSpiel's ``psro_v2``: ``python -m bench.psro [game] [--seconds 30]``.

Both grow populations against uniform mixtures by exact best responses; psro_v2 estimates each payoff from
1,000 episodes (its default), ours are exact, and ours measures exact exploitability in every epoch besides.
Each runs in a process of its own on one thread; times are CPU time, which another's load distorts less.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from typing import Any

ROUNDS = 3
EPOCHS = 100
SOLVERS = ("uniform", "rm_plus", "nash", "shor_psro")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.psro")
    parser.add_argument("game", nargs="?", default="leduc2")
    parser.add_argument("--seconds", type=float, default=30.0, help="CPU seconds that psro_v2 is given")
    parser.add_argument("--part", choices=("ours", "theirs", "solver"), help=argparse.SUPPRESS)
    parser.add_argument("--solver", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "ours":
        _ours(options.game)
    elif options.part == "theirs":
        _theirs(options.game, options.seconds)
    elif options.part == "solver":
        _solver(options.game, options.solver)
    else:
        _compare(options.game, options.seconds)


def _compare(game: str, seconds: float) -> None:
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load}")
    print(f"Python {platform.python_version()}, game {game}, uniform mixtures, CPU time, one thread each")
    ours = [float(x) for x in _run("ours", game).split()]
    print(f"referee alone, {EPOCHS} epochs with exact payoffs and exploitability: {_spread(ours)}")
    done, spent, last = (float(x) for x in _run("theirs", game, "--seconds", str(seconds)).split())
    print(f"psro_v2, {done:.0f} epochs: {spent:.1f} s, the last one {last:.2f} s")
    print(f"epochs compared: psro_v2's last / our mean = {last / (sorted(ours)[ROUNDS // 2] / EPOCHS):,.0f}x")
    for solver in SOLVERS:
        print(f"with solver {solver}: {float(_run('solver', game, '--solver', solver)):.2f} s")


def _spread(times: list[float]) -> str:
    low, middle, high = (1000 * sorted(times)[i] for i in (0, len(times) // 2, -1))
    return f"{middle:.0f} ms (of {len(times)} runs {low:.0f} to {high:.0f})"


def _run(part: str, game: str, *more: str) -> str:
    environment = os.environ | {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    command = [sys.executable, "-m", "bench.psro", game, "--part", part, *more]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return done.stdout.splitlines()[-1]


def _ours(game: str) -> None:
    """The referee's own part: the candidate answers at no cost."""
    import numpy as np

    from problems.games.compile import pack
    from problems.metasolver.referee import rollout

    class Uniform:
        def open(self, setup: dict[str, Any], arrays: Any) -> dict[str, np.ndarray]:
            self.shared = {name: np.zeros(shape, dtype) for name, dtype, shape in arrays}
            return self.shared

        def call(self, operation: int) -> None:
            size = self.shared["size"][0]
            self.shared["mixtures"][:, :size] = 1.0 / size

    packed, times = pack(game), []
    for _ in range(1 + ROUNDS):  # the first one compiles
        started = time.process_time()
        rollout(Uniform(), packed, {"checkpoints": list(range(1, EPOCHS + 1)), "seed": 0})
        times.append(time.process_time() - started)
    print(*times[1:])


def _solver(game: str, solver: str) -> None:
    """A whole run in one process, as it is scored."""
    from problems.games.compile import pack
    from problems.inprocess import InProcess
    from problems.metasolver import PROBLEM
    from problems.metasolver.referee import rollout

    packed, times = pack(game), []
    for _ in range(2):
        candidate = InProcess(PROBLEM.rule, PROBLEM.baselines[solver])
        started = time.process_time()
        rollout(candidate, packed, {**PROBLEM.settings, "seed": 0})
        times.append(time.process_time() - started)
    print(min(times))


def _theirs(game: str, seconds: float) -> None:
    import types

    import pyspiel

    # psro_v2 imports cvxpy for its linear programs; uniform mixtures need none.
    sys.modules.setdefault("cvxpy", types.ModuleType("cvxpy")).__dict__.setdefault("ECOS", "ECOS")
    from open_spiel.python import policy
    from open_spiel.python.algorithms.psro_v2 import best_response_oracle, psro_v2

    from problems.games import GAMES

    loaded = pyspiel.load_game(GAMES.get(game, game))
    oracle = best_response_oracle.BestResponseOracle(best_response_backend="cpp", game=loaded)
    players = range(loaded.num_players())
    started = time.process_time()
    solver = psro_v2.PSROSolver(
        loaded,
        oracle,
        initial_policies=[policy.UniformRandomPolicy(loaded) for _ in players],
        meta_strategy_method="uniform",
        training_strategy_selector="probabilistic",
        sims_per_entry=1000,
        sample_from_marginals=True,
    )
    epochs, last = 0, 0.0
    while time.process_time() - started < seconds:
        begun = time.process_time()
        solver.iteration()
        last = time.process_time() - begun
        epochs += 1
    print(epochs, time.process_time() - started, last)


if __name__ == "__main__":
    main()
