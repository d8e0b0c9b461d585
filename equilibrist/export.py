"""A program as one file for another framework, checked by running that file there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from equilibrist.errors import Failed, Usage
from equilibrist.programs import Named
from sandbox.job import Job, Record, Sandbox

CHECKPOINTS = [8, 16, 32]
"""Iterations compared: late iterates are chaotic in floating point, so agreement is asked of early ones."""
SAME = 1e-9
CHECK = """
import importlib.abc, json, sys
folder, path, games, checkpoints = json.loads(sys.argv[1])
import argparse, inspect, numpy, torch, pyspiel
from open_spiel.python import policy
from open_spiel.python.algorithms import exploitability
sys.path.insert(0, folder)
from sandbox.harden import Shield
sys.path.remove(folder)
source = open(path).read()
shield = Shield(["seccomp", "landlock?"], None) if sys.platform == "linux" else None
for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
    del sys.modules[name]
class Ours(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("problems", "sandbox", "memory", "tools", "agents", "equilibrist", "numba"):
            raise ImportError(f"the exported file imports {name}")
sys.meta_path.insert(0, Ours())
torch.set_num_threads(1)
made = {}
loaded = {}
for name, string in games.items():
    game = pyspiel.load_game(string)
    if game.get_type().dynamics == pyspiel.GameType.Dynamics.SIMULTANEOUS:
        game = pyspiel.convert_to_turn_based(game)
    loaded[name] = game, policy.TabularPolicy(game)
exploitability.nash_conv(*loaded[next(iter(games))])
shield and shield.raise_(3, 4096, 600)
scope = {"__name__": "exported"}
exec(compile(source, path, "exec"), scope)
for name, (game, _) in loaded.items():
    solver, made[name] = scope["Solver"](game), []
    for t in range(1, checkpoints[-1] + 1):
        solver.evaluate_and_update_policy()
        if t in checkpoints:
            made[name].append(exploitability.nash_conv(game, solver.average_policy()) / game.num_players())
print(json.dumps(made))
"""


class Exported(Record):
    """What ``--json`` prints."""

    session: str
    program: str
    program_id: str
    path: str
    games: tuple[str, ...]
    """Games on which the file was run inside the other framework, in a process without anything of ours."""
    checkpoints: tuple[int, ...]
    here: dict[str, list[float]]
    """Exploitability by our referee."""
    there: dict[str, list[float]]
    """Exploitability by the other framework's own solver loop and judge."""
    difference: float
    """Largest of all."""


def export(program: Named, path: Path, box: Sandbox, games: tuple[str, ...] | None = None) -> Exported:
    """Write the file and check it. A file that does not agree is left where it is, for a look.

    Raises:
        Usage: the problem has no export, or the path cannot be written.
        Failed: the file does not run, or gives other results.
    """
    problem = program.problem
    if problem.export is None:
        raise Usage(f"Programs of problem {problem.name} cannot be exported yet.")
    if faults := problem.check(program.source):
        raise Usage(f"The program does not fit the problem: {' '.join(faults)}")
    title = f"{program.name} ({program.program_id}) of {program.folder.name}, exported by Equilibrist."
    try:
        path.write_text(problem.export(program.source, title), encoding="utf-8")
    except ValueError as error:
        raise Usage(str(error)) from None
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror or error}") from None
    games = games or problem.smoke
    here = {game: _here(program, game, box) for game in games}
    there = _there(path, games)
    difference = max(abs(a - b) for game in games for a, b in zip(here[game], there[game], strict=True))
    if not difference <= SAME:
        raise Failed(
            f"{path} differs from the program inside OpenSpiel: exploitability by {difference:.3g} on "
            f"{', '.join(games)} within {CHECKPOINTS[-1]} iterations. Does the rule depend on the order of "
            "infosets or actions? See the trials of: equilibrist confirm"
        )
    return Exported(
        session=program.folder.name,
        program=program.name,
        program_id=program.program_id,
        path=str(path),
        games=games,
        checkpoints=tuple(CHECKPOINTS),
        here=here,
        there=there,
        difference=difference,
    )


def _here(program: Named, game: str, box: Sandbox) -> list[float]:
    settings: dict[str, Any] = {**program.problem.settings, "checkpoints": CHECKPOINTS}
    outcome = box.run(Job(problem=program.problem.name, program=program.source, game=game, settings=settings))
    if outcome.status != "ok":
        raise Failed(f"The program does not run on {game}: {outcome.status}, {outcome.message}")
    found: list[float] = outcome.artifact["exploitability"]
    return found


def _there(path: Path, games: tuple[str, ...]) -> dict[str, list[float]]:
    """In an isolated process: no environment of the user, nothing of ours, and confined like a candidate."""
    from problems.games import GAMES

    root = str(Path(__file__).resolve().parent.parent)
    strings = {game: GAMES.get(game, game) for game in games}
    asked = json.dumps([root, str(path.resolve()), strings, CHECKPOINTS])
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "LANG")}
    done = subprocess.run(
        [sys.executable, "-I", "-c", CHECK, asked], capture_output=True, text=True, env=clean, check=False
    )
    if done.returncode:
        raise Failed(f"{path} does not run inside OpenSpiel: {done.stderr.strip()[-1500:]}")
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found
