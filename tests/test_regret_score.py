"""Scores and static checks of the regret problem."""

from __future__ import annotations

import math
import re

import pytest

from problems.regret import PROBLEM
from problems.regret.check import QUANTITIES, check
from problems.regret.score import FLOOR, checkpoints, score

CFR = PROBLEM.baselines["cfr"]


def test_checkpoints_end_at_the_horizon_and_the_last_half_decade_counts() -> None:
    assert checkpoints() == PROBLEM.settings["checkpoints"] == [32, 56, 100, 178, 316, 422, 562, 750, 1000]
    assert checkpoints(4000)[-1] == 4000
    early, late = [1.0] * 4 + [0.01] * 5, [1e-5] * 4 + [0.01] * 5
    for series in early, late:
        assert score({"a": {"exploitability": series}}).score == pytest.approx(2.0)


def test_score_is_the_mean_of_logarithms_along_the_run() -> None:
    result = score({"a": {"exploitability": [1.0, 0.01]}, "b": {"exploitability": [0.1, 0.1]}})
    assert result.games == {"a": 1.0, "b": 1.0}
    assert result.score == 1.0
    assert result.details["exploitability a"] == 0.01
    assert result.details["fitness of Li et al. 2026"] == pytest.approx(-(0.01 + 0.1) / 2)


@pytest.mark.parametrize("solved", [0.0, -1e-16, FLOOR / 10])
def test_a_solved_game_gains_by_speed_only(solved: float) -> None:
    late, early = ({"a": {"exploitability": values}} for values in ([1.0, solved], [FLOOR, solved]))
    assert score(late).score == pytest.approx(-math.log10(FLOOR) / 2)
    assert score(early).score == pytest.approx(-math.log10(FLOOR))


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("class Rule:\n  def", "not valid Python"),
        ("x = 1", "class Rule"),
        ("x = '" + "a" * 20_000 + "'", "20006 characters"),
        (CFR.replace("average_policy", "mean_policy"), "no method `average_policy`"),
        (CFR.replace("(self, realisation)", "(self, reach_probability)"), "asks for `reach_probability`"),
        (CFR.replace("average_policy(self)", "average_policy(self, t)"), "it may ask for nothing"),
        (CFR.replace("(self, infosets)", "(self)"), "exactly \\(self, infosets\\)"),
        (CFR.replace("(self, regret)", "(self, *regret)"), "plain parameters"),
        ("import os\n" + CFR, "import of `os`"),
        ("from . import secrets\n" + CFR, "is not allowed"),
        ("import torch.multiprocessing\n" + CFR, "import of `torch.multiprocessing`"),
        ("import torch\ntorch.load('x')\n" + CFR, "`torch.load`"),
        ("open('/etc/passwd')\n" + CFR, "`open`"),
        ("__import__('os')\n" + CFR, "`__import__`"),
        ("().__class__.__bases__\n" + CFR, "`.__class__`"),
    ],
)
def test_check_names_the_fault(source: str, fault: str) -> None:
    assert any(re.search(fault, found) for found in check(source)), check(source)


def test_check_and_rule_know_the_same_quantities() -> None:
    from problems.regret import rule

    assert QUANTITIES == rule.QUANTITIES
