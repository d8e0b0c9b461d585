"""Problem *metasolver*: pairs of meta-strategy solvers for policy-space response oracles (PSRO).

One decides whom the next best responses are trained against, the other judges the population. The training
games are those of Li et al. 2026 (arXiv 2602.16928).
"""

from pathlib import Path

from problems.brought import Brought
from problems.metasolver.check import check
from problems.metasolver.export import EXPORT
from problems.metasolver.score import CHECKPOINTS, score
from problems.problem import Problem

_FOLDER = Path(__file__).parent


def pack(name: str) -> bytes:
    """The compiled game; OpenSpiel is imported only now. Raises ``problems.games.GameError``."""
    from problems.games.compile import pack

    return pack(name)


def bring(text: str) -> Brought:
    """A game of the user's own: OpenSpiel string or Gambit file. Raises ``problems.games.GameError``."""
    from problems.metasolver.bring import bring

    return bring(text)


PROBLEM = Problem(
    name="metasolver",
    statement=(_FOLDER / "statement.md").read_text(),
    baselines={path.stem: path.read_text() for path in sorted((_FOLDER / "baselines").glob("*.py"))},
    parent="rm_plus",
    walls={
        "train": ("leduc2", "liars_dice5", "goofspiel4", "kuhn3"),
        "dev": ("kuhn2", "blotto5", "goofspiel3", "battleship2", "liars_dice4"),
        "sealed": ("blotto10", "kuhn4", "battleship3", "liars_dice6", "goofspiel5", "leduc3"),
    },
    smoke=("kuhn2", "kuhn3"),
    settings={"checkpoints": list(CHECKPOINTS)},
    smoke_settings={"checkpoints": [1, 6]},
    seconds=180.0,
    referee="problems.metasolver.referee",
    rule="problems.metasolver.rule",
    pack=pack,
    check=check,
    score=score,
    bring=bring,
    export=EXPORT,
)
