"""Problem *regret*: update rules for regret minimisation in extensive-form games, by self-play.

The training games are those of Li et al. 2026 (arXiv 2602.16928).
"""

from pathlib import Path

from problems.problem import Problem
from problems.regret.check import check
from problems.regret.score import CHECKPOINTS, score

_FOLDER = Path(__file__).parent


def pack(name: str) -> bytes:
    """The compiled game; OpenSpiel is imported only now. Raises ``problems.games.GameError``."""
    from problems.games.compile import pack

    return pack(name)


PROBLEM = Problem(
    name="regret",
    statement=(_FOLDER / "statement.md").read_text(),
    baselines={
        name: (_FOLDER / "baselines" / f"{name}.py").read_text()
        for name in ("cfr", "cfr_plus", "lcfr", "dcfr", "pcfr_plus", "dpcfr_plus")
    },
    parent="cfr_plus",
    walls={
        "train": ("kuhn3", "leduc2", "goofspiel4", "liars_dice5"),
        "dev": ("kuhn2", "goofspiel3", "liars_dice4"),
        "sealed": ("kuhn4", "liars_dice6"),
    },
    smoke=("kuhn2", "kuhn3"),
    settings={"checkpoints": list(CHECKPOINTS), "alternating": True},
    smoke_settings={"checkpoints": [1, 20], "alternating": True},
    referee="problems.regret.referee",
    rule="problems.regret.rule",
    pack=pack,
    check=check,
    score=score,
)
