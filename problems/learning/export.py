"""A learning rule as one training script for PettingZoo, and how that script is checked."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from problems.brought import keep, kept, named
from problems.exporting import written
from problems.problem import Export

FOLDER = Path(__file__).parent
MODULE = "exported_exercises"
PLAN = {"iterations": 1, "steps": 16, "copies": 8, "episodes": 8, "low": 0.0, "high": 1.0}


def games() -> tuple[str, ...]:
    """The exercises, as if they were environments of a user's own."""
    text = (FOLDER / "exercises.py").read_text(encoding="utf-8")
    names = []
    for environment in ("Foraging", "Tracking"):
        told = {
            "entry": f"{MODULE}:{environment}",
            "arguments": {},
            "files": {f"{MODULE}.py": text},
            "plan": PLAN,
        }
        content = json.dumps(told, sort_keys=True).encode()
        names.append(named(environment.lower(), content))
        keep(names[-1], content)
    return tuple(names)


def told(game: str) -> dict[str, Any]:
    """What ``problems.learning.bring`` packed. Raises ValueError for an environment of ours."""
    if (data := kept(game)) is None:
        raise ValueError(
            f"{game} is none of PettingZoo's; give package.module:function of one that is parallel."
        )
    found: dict[str, Any] = json.loads(data)
    if found.get("vectorised"):
        raise ValueError(
            f"{game} is a scenario of VMAS; the script trains on PettingZoo's environments alone."
        )
    return found


EXPORT = Export(
    write=partial(written, FOLDER / "script.py", (FOLDER / "learner.py", FOLDER / "copies.py")),
    outside="problems.learning.outside",
    games=games,
    told=told,
    settings={"seeds": 1, "first": 1, "judgements": 1, "iterations": 3, "trace": True},
    compared={"rewards": 1e-6, "gradients": 1e-4, "return": 1e-6},
    when="in 3 iterations of 4 epochs and at the end",
    framework="PettingZoo",
    offers="a training script for any parallel environment of PettingZoo",
    hint="--env package.module:function",
    doubt="Does the rule divide by something small, or branch where rounding decides?",
)
"""Networks round differently here and there, so gradients agree to single precision, and rewards until
rounding makes an agent act otherwise."""
