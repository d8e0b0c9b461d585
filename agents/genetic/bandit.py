"""How often to try each operator: Thompson sampling over what each has achieved so far, tilted by lessons.

The statistics are made afresh from the archive's listing at every call, so nothing is remembered here.
Thompson 1933; here the sampled rates of success weigh a random choice instead of deciding it, which keeps
every operator alive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from agents.genetic.operators import OPERATORS, spoken_of

WINS, LOSSES = 1.0, 3.0
"""Imagined trials of every operator: one success in four."""
TILT = {"success": 1.5, "insight": 1.2, "open_question": 1.2, "failure": 0.7}
"""Factor on an operator's weight by the kind of a lesson that speaks of it."""


def operator_weights(
    programs: Sequence[Mapping[str, Any]], lessons: Sequence[Mapping[str, Any]], random: Random
) -> dict[str, float]:
    """A weight per operator.

    Args:
        programs: summaries with ``program_id``, ``parent_id``, ``operator``, ``score`` (None: it failed).
        lessons: records with ``text``, ``kind`` and ``effect``.
    """
    tallies = tally(programs)
    weights = {}
    for name, operator in OPERATORS.items():
        wins, losses = tallies.get(name, (0.0, 0.0))
        rate = random.betavariate(WINS + wins, LOSSES + losses)
        weights[name] = operator.weight * (0.05 + rate)
        for lesson in lessons:
            if name in spoken_of(str(lesson.get("text", ""))):
                weights[name] *= TILT.get(str(lesson.get("kind")), 1.0)
    return weights


def tally(programs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Successes and failures per operator; a program by several operators counts a part for each."""
    scores = {program["program_id"]: program.get("score") for program in programs}
    tallies: dict[str, tuple[float, float]] = {}
    for program in programs:
        names = [name for name in str(program.get("operator") or "").split("+") if name in OPERATORS]
        before = scores.get(program.get("parent_id"))
        if not names or before is None:
            continue
        after = program.get("score")
        won = after is not None and after > before
        for name in names:
            wins, losses = tallies.get(name, (0.0, 0.0))
            share = 1 / len(names)
            tallies[name] = (wins + share * won, losses + share * (not won))
    return tallies
