"""Problem *regret*: update rules for regret minimisation in extensive-form games, by self-play.

The training games are those of Li et al. 2026 (arXiv 2602.16928).
"""

from pathlib import Path

from problems.brought import Brought
from problems.problem import Problem
from problems.regret.check import check
from problems.regret.export import EXPORT
from problems.regret.score import checkpoints, score
from problems.regret.trials import TRIALS
from problems.regret.words import notation

_FOLDER = Path(__file__).parent


def pack(name: str) -> bytes:
    """The compiled game; OpenSpiel is imported only now. Raises ``problems.games.GameError``."""
    from problems.games.compile import pack

    return pack(name)


def bring(text: str) -> Brought:
    """A game of the user's own: OpenSpiel string or Gambit file. Raises ``problems.games.GameError``."""
    from problems.regret.bring import bring

    return bring(text)


PROBLEM = Problem(
    name="regret",
    statement=(_FOLDER / "statement.md").read_text(),
    baselines={path.stem: path.read_text() for path in sorted((_FOLDER / "baselines").glob("*.py"))},
    parent="cfr_plus",
    walls={
        "train": ("kuhn3", "leduc2", "goofspiel4", "liars_dice5"),
        "dev": (
            "kuhn2",
            "blotto5",
            "sheriff2",
            "goofspiel3",
            "leduc2_iso",
            "goofspiel4_imp",
            "goofspiel5_imp_up",
            "goofspiel3_3p",
            "battleship2",
            "liars_dice4",
            "leduc3_iso",
        ),
        "sealed": (
            "blotto10",
            "blotto5_3p",
            "sheriff3",
            "kuhn4",
            "battleship2_general",
            "goofspiel5_imp",
            "battleship3",
            "liars_dice6",
            "leduc3",
            "goofspiel5",
        ),
    },
    smoke=("kuhn2", "kuhn3"),
    settings={"checkpoints": checkpoints(), "alternating": True},
    horizons={str(t): {"checkpoints": checkpoints(t), "alternating": True} for t in (250, 4000)},
    smoke_settings={"checkpoints": [1, 20], "alternating": True},
    referee="problems.regret.referee",
    rule="problems.regret.rule",
    pack=pack,
    check=check,
    score=score,
    bring=bring,
    devices=("cpu", "cuda"),
    trials=TRIALS,
    export=EXPORT,
    notation=notation,
)
