"""The genetic researcher on problem *learning*, and a rule judged through a real sandbox."""

from __future__ import annotations

from random import Random

from agents.genetic.interface import observe
from agents.genetic.operators import OPERATORS
from agents.genetic.program import Program
from agents.genetic.scene import Donor
from agents.genetic.variation import vary
from equilibrist import evaluate
from problems import PROBLEMS
from problems.inprocess import InProcess
from problems.learning.referee import rollout
from problems.problem import CandidateError

PROBLEM = PROBLEMS["learning"]


def test_most_mutations_of_known_rules_pass_the_check_and_run():
    programs = {name: Program(source) for name, source in PROBLEM.baselines.items()}
    interface = observe(list(programs.values()), PROBLEM.statement)
    weights = {name: operator.weight for name, operator in OPERATORS.items()}
    ran = 0
    for seed in range(12):
        random = Random(seed)
        parent = random.choice(sorted(programs))
        donors = [Donor(name, program, None) for name, program in programs.items() if name != parent]
        made = vary(programs[parent], donors, random, weights, (), interface)
        assert made is not None
        assert PROBLEM.check(made.source) == [], made.source
        settings = {**PROBLEM.smoke_settings, "seed": 1}
        try:
            rollout(InProcess(PROBLEM.rule, made.source), PROBLEM.pack("scissors"), settings)
            ran += 1
        except CandidateError:
            pass
    assert ran >= 8


def test_a_rule_is_judged_by_the_path_of_candidates(tmp_path):
    judged = evaluate.evaluate(tmp_path, PROBLEM, "pg", ("scissors",), "unconfined").first
    assert judged.status == "ok", judged.message
    assert len(judged.curves["scissors"]["seed_5"]) == 5
    assert judged.details["environment steps"] == 60 * 64 * 5
    assert judged.games["scissors"] == judged.score
