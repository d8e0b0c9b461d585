"""A regret rule as one file with OpenSpiel's solver interface, and how that file is checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from problems.brought import kept
from problems.exporting import written
from problems.games import GAMES
from problems.problem import Export


def told(game: str) -> str:
    """OpenSpiel's string of a game. Raises ValueError for one that was read from a file."""
    if kept(game) is not None:
        raise ValueError(f"{game} comes from a file, which the check cannot hand to OpenSpiel; name others.")
    return GAMES.get(game, game)


EXPORT = Export(
    write=partial(written, Path(__file__).with_name("solver.py"), ()),
    outside="problems.regret.outside",
    games=lambda: ("kuhn2", "kuhn3"),
    told=told,
    settings={"checkpoints": [8, 16, 32], "alternating": True},
    compared={"exploitability": 1e-9},
    when="at iterations 8, 16, 32",
    framework="OpenSpiel",
    offers="class Solver, used as OpenSpiel's CFRSolver",
    hint="--game leduc_poker --iterations 1000",
    doubt="Does the rule depend on the order of infosets or actions? See the trials of: equilibrist confirm",
)
"""Late iterates are chaotic in floating point, so agreement is asked of early ones."""
