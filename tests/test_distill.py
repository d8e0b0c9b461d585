"""Distillation: what does nothing goes, what does something stays, and the rule is told in formulas."""

import pytest

from agents.genetic.ablation import ablations, size
from equilibrist.distill import KIND, distill
from equilibrist.errors import Failed
from equilibrist.programs import Named
from memory.journal import Journal
from memory.records import program_id
from problems.notation import Notation
from problems.regret import PROBLEM, notation
from sandbox import open_sandbox

PADDED = '''import torch


class Rule:
    """CFR+ with an inert branch, an inert term and a state that is read for nothing."""

    GAMMA = 1.0
    BOOST = 1.0
    NEVER = 100000

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.average = infosets.zeros()
        self.seen = infosets.zeros()

    def accumulate_average(self, t, realisation):
        self.average += t**self.GAMMA * realisation

    def accumulate_regret(self, t, regret):
        self.seen = torch.maximum(self.seen, torch.abs(regret))
        if t > self.NEVER:
            self.regrets = self.regrets * 0.5
        self.regrets = torch.clamp(self.regrets + regret * (1 + 0.0 * self.seen), min=0.0)

    def next_policy(self):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
'''


@pytest.fixture(scope="module")
def box():
    with open_sandbox("unconfined", slots=1, say=lambda line: None) as box:
        yield box


def mine(source, tmp_path):
    folder = tmp_path / "sessions" / "regret-001"
    with Journal.create(folder, {"problem": "regret", "config": {}}):
        return Named(tmp_path, folder, PROBLEM, "mine", source)


def test_ablations_know_branches_terms_functions_constants_schedules_and_states():
    found = ablations(PROBLEM.baselines["distilled_vad"])
    assert {cut.kind for cut in found} == {"branch", "term", "function", "constant", "schedule", "state"}
    assert any("WARM_UP" in cut.what and cut.kind == "branch" for cut in found)
    whole = size(PROBLEM.baselines["distilled_vad"])
    assert all(cut.size <= whole for cut in found)
    assert len({cut.source for cut in found}) == len(found)
    assert [cut.source for cut in found] == [
        cut.source for cut in ablations(PROBLEM.baselines["distilled_vad"])
    ]
    for cut in found:
        assert not PROBLEM.check(cut.source), cut.what


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_inert_mechanisms_go_and_what_matters_stays(tmp_path, box):
    made = distill(mine(PADDED, tmp_path), box, games=("kuhn2",), repeats=2)
    assert "NEVER" not in made.source
    assert "seen" not in made.source
    assert "0.5" not in made.source
    assert "t * realisation" in made.source.replace("realisation * t", "t * realisation")
    assert "self.regrets + regret" in made.source
    assert made.distilled_size < made.size
    assert made.distilled_score >= made.score - made.tolerance
    assert made.complete
    assert {row.verdict for row in made.table} >= {"inert", "helps"}
    assert sum(row.removed for row in made.table) >= 1
    journal = Journal.view(tmp_path / "sessions" / "regret-001")
    (event,) = journal.events(KIND)
    assert event.data == made.model_dump(mode="json")
    assert journal.program(made.distilled_id) == made.source
    assert made.distilled_id == program_id(made.source)
    assert "R ← [R + rᵗ]⁺" in made.unicode


def test_a_program_that_does_not_run_is_told(tmp_path, box):
    broken = PADDED.replace("torch.abs(regret)", "torch.abs(regrets)")
    with pytest.raises(Failed, match="regrets"):
        distill(mine(broken, tmp_path), box, games=("kuhn2",), repeats=1)


def test_formulas():
    told = notation(PROBLEM.baselines["distilled_vad"])
    assert isinstance(told, Notation)
    assert "S ← S + (t + 1)^γ · πᵢσᵗ" in told.unicode
    assert "losses ← t^β / (t^β + 1)" in told.unicode
    assert "\\frac{t^{\\alpha}}{t^{\\alpha} + 1}" in told.latex
    assert "α = 1.5" in told.unicode
    for name, source in PROBLEM.baselines.items():
        latex = notation(source).latex
        assert latex.count("{") == latex.count("}"), name
        assert latex.count("\\begin") == latex.count("\\end"), name


@pytest.mark.parametrize(
    ("code", "formula"),
    [
        ("a - (b - c)", "a − (b − c)"),
        ("(a + b) * c", "(a + b) · c"),
        ("a / (b * c)", "a / (b · c)"),
        ("(a * b) ** 2", "(a · b)^2"),
        ("-a ** 2", "−a^2"),
        ("torch.clamp(a, min=-1.0)", "max(a, −1.0)"),
        ("torch.add(a, b, alpha=2)", "a + 2 · b"),
        ("a if t > 3 else b", "{a if t > 3 else b}"),
    ],
)
def test_formulas_bind_as_python_does(code, formula):
    source = f"class Rule:\n    def next_policy(self, a, b, c, t):\n        return {code}\n"
    assert f"return {formula}" in notation(source).unicode
