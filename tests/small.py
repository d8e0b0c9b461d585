"""A research problem small enough to play in a test: step-size rules on one-dimensional quadratics.

A program defines ``class Rule`` with ``step(gradient) -> change of x``. The game ``bowl_4`` is
f(x) = 4 x^2 / 2, from x = 1. Its sandbox runs programs in this very process: the tests wrote them.
"""

from __future__ import annotations

import ast
import math
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from memory.archive import Archive
from memory.records import Baseline, program_id
from problems import syntax
from problems.problem import Problem, Score
from sandbox.job import Job, Outcome
from tools.evaluation import Evaluator, bar_of

PLAIN = '''class Rule:
    """Gradient descent."""

    RATE = 0.1

    def step(self, gradient):
        return -self.RATE * gradient
'''
SLOW = PLAIN.replace("0.1", "0.01")
MOMENTUM = """class Rule:
    RATE = 0.1
    KEPT = 0.3

    def __init__(self):
        self.velocity = 0.0

    def step(self, gradient):
        self.velocity = self.KEPT * self.velocity - self.RATE * gradient
        return self.velocity
"""
BROKEN = PLAIN.replace("-self.RATE * gradient", "-self.SPEED * gradient")
HOPELESS = PLAIN.replace("0.1", "0.0001")
GAMES = ("bowl_1", "bowl_2", "bowl_4", "bowl_8")


def check(source: str) -> list[str]:
    try:
        tree = syntax.parse(source)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    named = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return [f"`{name}` is missing" for name in ("Rule", "step") if name not in named]


def score(artifacts: Mapping[str, Mapping[str, Any]]) -> Score:
    games = {game: -math.log10(max(a["gap"][-1], 1e-12)) for game, a in artifacts.items()}
    return Score(
        sum(games.values()) / len(games), games, {"final_gap": artifacts[list(games)[-1]]["gap"][-1]}
    )


PROBLEM = Problem(
    name="small",
    statement="Find `class Rule` with `step(gradient)` that brings x to 0 fast.",
    baselines={"plain": PLAIN, "slow": SLOW},
    parent="plain",
    walls={"train": GAMES, "dev": ("bowl_3",), "sealed": ("bowl_5",)},
    smoke=("bowl_1",),
    settings={"iterations": 20},
    smoke_settings={"iterations": 2},
    referee="none",
    rule="none",
    pack=lambda game: game.encode(),
    check=check,
    score=score,
)


class InProcess:
    """A sandbox that protects from nothing and counts its runs."""

    name = "in-process"
    slots = 4
    uncovered = ("everything",)

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, int]] = []
        self.guard = threading.Lock()

    def run(self, job: Job) -> Outcome:
        with self.guard:
            self.runs.append((program_id(job.program), job.game, job.settings["iterations"]))
        curvature, x, gaps = float(job.game.removeprefix("bowl_")), 1.0, []
        try:
            scope: dict[str, Any] = {}
            exec(job.program, scope)
            rule = scope["Rule"]()
            for _ in range(job.settings["iterations"]):
                x += rule.step(curvature * x)
                gaps.append(abs(x))
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1].lineno
            return Outcome(status="error", message=f"line {line}: {error!r}", sandbox=self.name)
        artifact = {"iterations": list(range(1, len(gaps) + 1)), "gap": gaps}
        return Outcome(status="ok", artifact=artifact, seconds=0.01, sandbox=self.name)

    def close(self) -> None:
        pass


def baselines(evaluator: Evaluator) -> tuple[Baseline, ...]:
    return tuple(
        Baseline(
            name=name, program_id=program_id(source), source=source, result=evaluator.evaluate(source, GAMES)
        )
        for name, source in PROBLEM.baselines.items()
    )


def judged(recorded: Any, sandbox: InProcess) -> tuple[Evaluator, Archive, Any]:
    """Evaluator, archive of the baselines, and the evaluation on the train games."""
    evaluator = Evaluator(PROBLEM, sandbox, recorded)
    known = baselines(evaluator)
    bar = bar_of([baseline.result for baseline in known])
    return evaluator, Archive(known), lambda source: evaluator.evaluate(source, GAMES, bar)


def remembered() -> Any:
    """``recorded`` without a file: for tests that are about something else."""
    kept: dict[tuple[str, str], dict[str, Any]] = {}

    def recorded(kind: str, key: str, compute: Any) -> dict[str, Any]:
        if (kind, key) not in kept:
            kept[kind, key] = compute()
        return kept[kind, key]

    recorded.kept = kept  # type: ignore[attr-defined]
    return recorded
