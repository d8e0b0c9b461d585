"""Problem *learning*: rules by which several deep agents learn beside each other, as a loss on their
batches."""

import json
from pathlib import Path

from problems.brought import Brought, BroughtError, kept
from problems.learning.check import check
from problems.learning.export import EXPORT
from problems.problem import Problem, Score

_FOLDER = Path(__file__).parent
_WALLS: dict[str, tuple[str, ...]] = {
    "train": ("scissors", "dilemma", "routing", "tictactoe", "spread"),
    "dev": ("stag_hunt", "market", "speaker_listener", "leduc"),
    "sealed": ("chicken", "congestion", "fleet", "adversary", "tag", "connect_four"),
}
_SETTINGS = {"seeds": 5, "first": 0, "judgements": 5, "scale": 1.0, "race": True}


def pack(name: str) -> bytes:
    """An environment's name, or what was brought. Raises ``problems.brought.BroughtError``."""
    if (data := kept(name)) is not None:
        return data
    known = [game for games in _WALLS.values() for game in games]
    if name not in known:
        raise BroughtError(
            f"There is no environment {name!r}; there are {', '.join(known)}, and --env for one of your own."
        )
    return json.dumps({"environment": name}).encode()


def bring(text: str) -> Brought:
    """A PettingZoo environment of the user's own, or one of ours by name. Raises ``BroughtError``."""
    if any(text in games for games in _WALLS.values()):
        return Brought(text, None, "an environment of ours", 20.0)
    from problems.learning.bring import bring

    return bring(text)


def score(artifacts: object) -> Score:
    """See ``problems.learning.score``, which needs numpy and is imported only now."""
    from problems.learning.score import score

    return score(artifacts)  # type: ignore[arg-type]


PROBLEM = Problem(
    name="learning",
    statement=(_FOLDER / "statement.md").read_text(),
    baselines={path.stem: path.read_text() for path in sorted((_FOLDER / "baselines").glob("*.py"))},
    parent="ippo",
    walls=_WALLS,  # type: ignore[arg-type]
    smoke=("dilemma", "tictactoe"),
    settings=_SETTINGS,
    smoke_settings={"seeds": 2, "first": 0, "judgements": 1, "scale": 0.05},
    horizons={
        "long": {**_SETTINGS, "scale": 4.0},
        "fresh": {**_SETTINGS, "first": 100},
    },
    seconds=300.0,
    devices=("cpu", "cuda"),
    referee="problems.learning.referee",
    rule="problems.learning.rule",
    pack=pack,
    check=check,
    score=score,
    bring=bring,
    export=EXPORT,
)
