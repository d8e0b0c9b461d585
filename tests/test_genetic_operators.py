"""Every operator, and the distribution of what they make of the baselines."""

import ast
import math
from random import Random

import pytest

from agents.genetic.bandit import operator_weights, tally
from agents.genetic.constants import perturbed
from agents.genetic.interface import observe, widen
from agents.genetic.operators import OPERATORS, spoken_of, topics
from agents.genetic.program import Program
from agents.genetic.scene import Donor, Scene
from agents.genetic.simplify import simplify
from agents.genetic.variation import identity, undefined, vary
from problems.games.compile import pack
from problems.inprocess import InProcess
from problems.problem import CandidateError
from problems.regret import PROBLEM
from problems.regret.referee import rollout

PROGRAMS = {name: Program(source) for name, source in PROBLEM.baselines.items()}
BETTER = Program(PROBLEM.baselines["cfr_plus"].replace("alpha=t)", "alpha=t**2)"))
WEIGHTS = {n: o.weight if n != "recollect" else 0.0 for n, o in OPERATORS.items()}
"""As in a session that remembers nothing."""
TOY = '''class Learner:
    """Plain descent."""

    RATE = 0.1

    def __init__(self, dimension):
        self.total = 0.0

    def change(self, slope, epoch):
        self.total = 0.9 * self.total + slope
        return -self.RATE * self.total
'''


def donors(but: str) -> list[Donor]:
    known = [Donor(name, program) for name, program in PROGRAMS.items() if name != but]
    return [*known, Donor("#1", BETTER, PROGRAMS["cfr_plus"], lead=0.2)]


def smoke(source: str) -> str:
    """Empty when the program plays two iterations of Kuhn poker."""
    faults = PROBLEM.check(source)
    if faults:
        return faults[0]
    try:
        candidate = InProcess(PROBLEM.rule, source)
        rollout(candidate, pack("kuhn2"), {"checkpoints": [1, 20], "alternating": True, "seed": 0})
    except CandidateError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_change_programs_and_keep_them_whole(name):
    made = set()
    for parent, program in PROGRAMS.items():
        for seed in range(2):
            scene = Scene(program.copy(), Random(seed), donors(parent))
            widen(scene.program, observe([d.program for d in donors(parent)]))
            change = OPERATORS[name].apply(scene)
            if change is None:
                continue
            assert change.what
            assert change.why
            simplify(scene.program)
            source = ast.unparse(scene.program.tree)
            made.add(source)
            assert not undefined(Program(source)) - {"torch"}
    assert len(made) >= 2


def test_variations_run_and_are_new():
    """Of what is made of all baselines together, at most 15 % fail, and nothing was there before."""
    failed, tried = [], 0
    taken = {identity(program) for program in PROGRAMS.values()}
    for parent in PROGRAMS:
        for seed in range(7):
            made = vary(PROGRAMS[parent], donors(parent), Random(f"{parent} {seed}"), WEIGHTS, taken)
            assert made is not None
            tried += 1
            mark = identity(Program(made.source))
            assert mark not in taken
            taken.add(mark)
            fault = smoke(made.source)
            failed += [(parent, made.operator, fault)] if fault else []
    assert len(failed) <= 0.15 * tried, failed


def test_variations_are_many_sided():
    made = [vary(PROGRAMS["dcfr"], donors("dcfr"), Random(seed), WEIGHTS) for seed in range(90)]
    used = {name for variation in made if variation for name in variation.operator.split("+")}
    assert len(used) > 0.8 * sum(weight > 0 for weight in WEIGHTS.values())
    assert len({variation.source for variation in made if variation}) > 50


def test_a_short_search_beats_cfr_plus():
    def judge(source: str) -> float:
        gaps = []
        for game in ("kuhn2", "kuhn3"):
            settings = {"checkpoints": [10, 32, 100], "alternating": True, "seed": 0}
            try:
                run = rollout(InProcess(PROBLEM.rule, source), pack(game), settings)
            except CandidateError:
                return -math.inf
            gaps += [max(gap, 1e-8) for gap in run["exploitability"]]
        return -sum(math.log10(gap) for gap in gaps) / len(gaps)

    start = judge(PROBLEM.baselines["cfr_plus"])
    for seed in range(3):
        random = Random(seed)
        best, score = PROGRAMS["cfr_plus"], start
        for _ in range(12):
            made = vary(best, donors("cfr_plus"), random, WEIGHTS)
            worth = judge(made.source) if made else -math.inf
            if made and worth > score:
                best, score = Program(made.source), worth
        assert score > start + 0.05, seed


def test_variation_is_a_function_of_its_arguments():
    first, again, other = (
        vary(PROGRAMS["cfr_plus"], donors("cfr_plus"), Random(seed), WEIGHTS) for seed in (3, 3, 4)
    )
    assert first is not None
    assert first == again
    assert first != other


def test_programs_stay_small_over_many_generations():
    program, random = PROGRAMS["cfr_plus"], Random(0)
    for _ in range(30):
        made = vary(program, donors("cfr_plus"), random, WEIGHTS)
        assert made is not None
        program = Program(made.source)
    assert program.size < 480
    assert len(made.source) < 5000


def test_another_class_another_interface():
    other = Program(TOY.replace("0.9 * self.total", "self.total / (1 + epoch)"))
    seen = set()
    for seed in range(40):
        made = vary(Program(TOY), [Donor("other", other)], Random(seed), WEIGHTS)
        assert made is not None
        scope: dict = {}
        exec(made.source, scope)  # our own operators made it
        learner = scope["Learner"](1)
        try:
            results = [learner.change(0.5, epoch) for epoch in range(1, 4)]
        except (ArithmeticError, TypeError):
            continue
        assert all(isinstance(result, int | float | complex) for result in results)
        seen.add(made.source)
    assert len(seen) > 25


def test_a_borrowed_improvement_is_applied():
    target = Program(PROBLEM.baselines["cfr_plus"].replace("min=0.0", "min=-0.5"))
    scene = Scene(target, Random(0), [Donor("#1", BETTER, PROGRAMS["cfr_plus"])])
    change = OPERATORS["borrow"].apply(scene)
    assert change is not None
    assert "t ** 2 * realisation" in ast.unparse(target.tree)
    assert "min=-0.5" in ast.unparse(target.tree)


def test_a_method_comes_with_what_it_needs():
    scene = Scene(PROGRAMS["cfr_plus"].copy(), Random(0), [Donor("dpcfr_plus", PROGRAMS["dpcfr_plus"])])
    for seed in range(20):
        fresh = Scene(PROGRAMS["cfr_plus"].copy(), Random(seed), scene.donors)
        assert OPERATORS["take_method"].apply(fresh)
        source = ast.unparse(fresh.program.tree)
        assert not undefined(fresh.program)
        assert ("self.discount" in source) == ("def discount" in source)


@pytest.mark.parametrize("value", [0, 0.0, 1, 2.5, -0.1, 0.9, 1e-3, 500])
def test_perturbation_moves(value):
    moved = {perturbed(value, Random(seed)) for seed in range(40)}
    assert value not in moved
    assert len(moved) > 4


def test_the_bandit_counts_what_improved_on_its_parent():
    programs = [
        {"program_id": "a", "parent_id": None, "operator": "", "score": 1.0},
        {"program_id": "b", "parent_id": "a", "operator": "sharpen", "score": 2.0},
        {"program_id": "c", "parent_id": "b", "operator": "sharpen+wrap", "score": None},
        {"program_id": "d", "parent_id": "lost", "operator": "wrap", "score": 3.0},
        {"program_id": "e", "parent_id": "a", "operator": "some language model", "score": 3.0},
    ]
    assert tally(programs) == {"sharpen": (1.0, 0.5), "wrap": (0.0, 0.5)}


def test_success_and_lessons_tilt_the_choice():
    won = [{"program_id": "a", "parent_id": None, "operator": "", "score": 1.0}]
    won += [{"program_id": f"w{i}", "parent_id": "a", "operator": "sharpen", "score": 2.0} for i in range(30)]
    won += [{"program_id": f"l{i}", "parent_id": "a", "operator": "wrap", "score": 0.0} for i in range(30)]

    def mean(programs, lessons):
        drawn = [operator_weights(programs, lessons, Random(seed)) for seed in range(50)]
        return {name: sum(weights[name] for weights in drawn) / 50 for name in OPERATORS}

    before, after = mean([], []), mean(won, [])
    assert after["sharpen"] > 2 * before["sharpen"]
    assert 0 < after["wrap"] < before["wrap"] / 2
    told = mean([], [{"text": "Discounting regrets raised the score.", "kind": "success"}])
    assert told["discount_state"] > before["discount_state"]
    assert told["sharpen"] == before["sharpen"]


def test_every_topic_is_recognised_in_a_lesson():
    for name in OPERATORS:
        assert name in spoken_of(f"{topics(name)[0].capitalize()}, starting from CFR+: …")
    assert topics("a language model") == []
