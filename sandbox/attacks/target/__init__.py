"""A problem of three lines of mathematics for probes and attacks: multiplicative weights in a matrix game."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from problems.problem import Problem, Score

HONEST = '''"""Multiplicative weights (Freund and Schapire 1999)."""

import torch


class Rule:
    def __init__(self, actions):
        self.weights = torch.zeros(actions)

    def next_policy(self, values):
        self.weights += 0.1 * values
        return torch.softmax(self.weights, 0)
'''

GAMES = {
    "biased_pennies": [[2.0, -1.0], [-1.0, 1.0]],
    "rock_paper_scissors": [[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]],
}
"""Payoffs to the row player."""


def pack(game: str) -> bytes:
    return json.dumps(GAMES[game]).encode()


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    games = {name: -math.log10(max(a["exploitability"], 1e-12)) for name, a in artifacts.items()}
    return Score(sum(games.values()) / len(games), games, {})


TARGET = Problem(
    name="sandbox-target",
    statement="Two copies of the rule play a matrix game; their average policies should be hard to exploit.",
    baselines={"honest": HONEST},
    parent="honest",
    walls={"train": tuple(GAMES), "dev": (), "sealed": ()},
    smoke=("biased_pennies",),
    settings={"iterations": 100},
    smoke_settings={"iterations": 3},
    referee="sandbox.attacks.target.referee",
    rule="sandbox.attacks.target.rule",
    pack=pack,
    check=lambda source: [],
    score=score,
)
