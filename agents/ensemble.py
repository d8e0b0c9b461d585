"""Several models as one proposer: the choice moves to those whose programs improve on their parent.

Thompson 1933: a rate of success is drawn for each model from its Beta posterior. As in the genetic
researcher's choice of operators, the drawn rate times the user's weight weighs a random choice instead of
deciding it, so that no model dies out. The statistics come from the archive, so a replay chooses the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from agents.errors import ModelError
from memory.archive import Archive

WINS, LOSSES = 1.0, 3.0
"""Imagined trials of each model: one success in four."""
WEIGHT = re.compile(r"\d+(\.\d+)?")


def members(text: str) -> dict[str, float]:
    """``a:2,b:1`` as weights by model; a name without a comma is one model, colons and all.

    Raises ModelError when a weight is not positive or a model is named twice.
    """
    if "," not in text:
        return {text.strip(): 1.0}
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().rpartition(":")
        if not name or not WEIGHT.fullmatch(weight):
            name, weight = part.strip(), "1"
        if not name or name in found or float(weight) <= 0:
            raise ModelError(f"{text!r} is no ensemble of models: it looks like big-model:1,small-model:3.")
        found[name] = float(weight)
    return found


def choose(weights: Mapping[str, float], archive: Archive, seed: int, number: int) -> str:
    """The proposer of experiment ``number``, given what the archive says of each model so far."""
    if len(weights) == 1:
        return next(iter(weights))
    dice = Random(f"proposer {seed} {number}")
    drawn = {}
    for name, weight in weights.items():
        tried, won = archive.authors.get(name, (0, 0))
        drawn[name] = weight * dice.betavariate(WINS + won, LOSSES + tried - won)
    return dice.choices(list(drawn), list(drawn.values()))[0]
