"""The contract that every registered problem keeps."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib import import_module

import pytest

from problems import PROBLEMS
from problems.inprocess import InProcess
from problems.problem import Problem
from sandbox.pool import rule_text

OURS = {name: p for name, p in PROBLEMS.items() if p.referee.startswith("problems.")}
"""Without those that other tests add."""
EACH = pytest.mark.parametrize("problem", OURS.values(), ids=list(OURS))


def test_importing_the_problems_is_cheap() -> None:
    code = "import sys, problems; sys.exit(bool({'torch', 'numba', 'pyspiel'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@EACH
def test_it_is_named_and_stated(problem: Problem) -> None:
    assert PROBLEMS[problem.name] is problem
    assert "class Rule" in problem.statement
    assert problem.parent in problem.baselines
    assert problem.check(problem.baselines[problem.parent]) == []


@EACH
def test_its_walls_share_no_game(problem: Problem) -> None:
    games = [game for wall in problem.walls.values() for game in wall]
    assert len(games) == len(set(games))
    assert all(problem.walls[wall] for wall in ("train", "dev", "sealed"))


@EACH
def test_its_settings_are_json(problem: Problem) -> None:
    for settings in (problem.settings, problem.smoke_settings):
        assert json.loads(json.dumps(settings)) == settings


@EACH
def test_its_baselines_run_and_are_scored(problem: Problem) -> None:
    rollout = import_module(problem.referee).rollout
    for name, source in problem.baselines.items():
        assert problem.check(source) == [], name
        artifacts = {}
        for game in problem.smoke:
            candidate = InProcess(problem.rule, source)
            artifacts[game] = rollout(candidate, problem.pack(game), {**problem.smoke_settings, "seed": 1})
        assert json.loads(json.dumps(artifacts)) == artifacts
        result = problem.score(artifacts)
        assert list(result.games) == list(problem.smoke)
        assert math.isfinite(result.score)


@EACH
def test_the_candidate_half_stands_alone(problem: Problem) -> None:
    """Its source is all that is sent to a sandbox."""
    code = "import json, sys; from sandbox import rules; rules.learn('rule', json.load(sys.stdin), b'');"
    code += "sys.exit(any(name.split('.')[0] == 'problems' for name in sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], input=rule_text(problem.rule), text=True).returncode == 0
    )
