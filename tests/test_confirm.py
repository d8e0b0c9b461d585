"""Confirmation: sealed games, other horizons, trials; counted, and never shown to an agent."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from equilibrist.confirm import KIND, confirm, earlier, plan
from equilibrist.confirmed import sentence
from equilibrist.errors import Usage
from equilibrist.programs import Named, named
from equilibrist.replay import INPUTS
from equilibrist.table import Progress
from memory.archive import Archive
from memory.journal import Journal
from memory.records import Experiment, Proposal, Result, program_id
from problems.regret import PROBLEM
from sandbox import open_sandbox

CHOSEN = ("cfr", "cfr_plus")
FEW = replace(
    PROBLEM,
    baselines={name: PROBLEM.baselines[name] for name in CHOSEN},
    walls={"train": ("kuhn3",), "dev": ("kuhn2",), "sealed": ("kuhn2", "blotto5")},
    horizons={"250": PROBLEM.horizons["250"]},
)
GOOD = PROBLEM.baselines["pcfr_plus"]
OVERFITTED = GOOD.replace(
    "        return self.infosets.normalise(self.average)",
    "        known = self.infosets.sequences in (32,)\n"
    "        return self.infosets.normalise(self.average) if known else self.infosets.uniform()",
)
UNIFORM = """class Rule:
    def __init__(self, infosets):
        self.infosets = infosets

    def accumulate_average(self):
        pass

    def accumulate_regret(self):
        pass

    def next_policy(self):
        return self.infosets.uniform()

    def average_policy(self):
        return self.infosets.uniform()
"""
LEADING = "self.regrets >= self.infosets.expand(self.infosets.max(self.regrets))"
FOLLOWER = PROBLEM.baselines["cfr"].replace(
    "self.infosets.normalise(self.regrets)",
    f"self.infosets.normalise(({LEADING}).double())",
)
ABSOLUTE = PROBLEM.baselines["cfr_plus"].replace(
    "self.regrets + regret", "(self.regrets + regret).clamp(max=0.5)"
)
NAMES = PROBLEM.baselines["cfr_plus"].replace(
    "return self.infosets.normalise(self.regrets)",
    "return self.infosets.normalise(self.regrets + torch.linspace(0, 0.1, self.infosets.sequences))",
)


@pytest.fixture(scope="module")
def box():
    with open_sandbox("unconfined", slots=1, say=lambda line: None) as box:
        yield box


@pytest.fixture
def session(tmp_path):
    folder = tmp_path / "sessions" / "regret-001"
    result = Result(status="ok", score=3.0, games={"kuhn3": 3.0})
    proposal = Proposal(program_id=program_id(GOOD), source=GOOD, hypothesis="h")
    with Journal.create(folder, {"problem": "regret", "config": {}}) as journal:
        journal.save_program(GOOD)
        made = Experiment(number=1, proposal=proposal, result=result)
        journal.recorded("experiment", "1", lambda: made.model_dump(mode="json"))
    return tmp_path, folder


def judged(session, source, box, repeats=2, **changes):
    home, folder = session
    program = Named(home, folder, replace(FEW, **changes), "mine", source)
    return program, confirm(program, plan(program.problem, None, None, repeats), box, Progress())


def test_a_better_rule_is_confirmed_and_a_worse_one_is_not(session, box):
    _, good = judged(session, GOOD, box, trials=())
    assert good.confirmed
    assert [part.name for part in good.parts] == ["sealed", "horizon 250"]
    assert good.parts[1].games == ("kuhn3", "kuhn2")
    for other in good.parts[0].against:
        assert other.beaten
        assert other.ratio < 1
        assert other.wins + other.ties == 2
    _, bad = judged(session, UNIFORM, box, trials=())
    assert not bad.confirmed
    assert all(other.losses == 2 and other.ratio > 1 for other in bad.parts[0].against)
    assert "cfr_plus" in sentence(bad)


def test_a_rule_fitted_to_the_train_games_is_caught_by_the_other_walls(session, box):
    from tools.evaluation import Evaluator

    evaluator = Evaluator(FEW, box, lambda kind, key, compute: compute())
    train = {name: evaluator.evaluate(source, FEW.walls["train"]) for name, source in FEW.baselines.items()}
    mine = evaluator.evaluate(OVERFITTED, FEW.walls["train"])
    assert mine.score > max(result.score for result in train.values())
    dev = evaluator.evaluate(OVERFITTED, FEW.walls["dev"])
    assert dev.score < evaluator.evaluate(FEW.baselines["cfr"], FEW.walls["dev"]).score
    _, made = judged(session, OVERFITTED, box, trials=())
    assert not made.confirmed
    assert all(other.losses == 2 for other in made.parts[0].against)


def test_a_confirmation_is_counted_and_read_back(session, box):
    program, first = judged(session, GOOD, box, trials=())
    assert (first.count, first.programs) == (1, 1)
    asked = plan(program.problem, None, None, 2)
    assert earlier(program, asked) == first
    assert earlier(program, plan(program.problem, None, None, 3)) is None
    again = confirm(program, asked, box, Progress())
    assert again.count == 2
    _, other = judged(session, UNIFORM, box, trials=())
    assert (other.count, other.programs) == (1, 2)
    assert again.parts == first.parts


def test_a_program_that_fails_on_a_sealed_game_is_not_confirmed(session, box):
    broken = GOOD.replace(
        "normalise(self.average)", "normalise(self.average) / (self.infosets.sequences != 12)"
    )
    _, made = judged(session, broken, box, trials=())
    assert not made.confirmed
    assert made.parts[0].failed
    assert all(other.failed and other.ratio is None for other in made.parts[0].against)
    json.dumps(made.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize(
    ("source", "failed"),
    [
        (GOOD, set()),
        (UNIFORM, {"no regret, random"}),
        (FOLLOWER, {"no regret, adversarial"}),
        (ABSOLUTE, {"payoff scale"}),
        (NAMES, {"payoff scale", "relabelling"}),
    ],
)
def test_trials_tell_what_a_rule_lacks(session, box, source, failed):
    small = replace(FEW, horizons={}, walls={**FEW.walls, "sealed": ("kuhn2",)}, baselines={})
    home, folder = session
    program = Named(home, folder, small, "mine", source)
    made = confirm(program, plan(small, None, None, 1), box, Progress())
    assert {trial.name for trial in made.trials if not trial.passed} >= failed
    if not failed:
        assert all(trial.passed for trial in made.trials)


def test_programs_have_many_names(session, tmp_path):
    home, folder = session
    file = tmp_path / "rule.py"
    file.write_text(UNIFORM)
    for name in ("best", "#1", "1", program_id(GOOD), program_id(GOOD)[:6]):
        assert named(home, "last", name).source == GOOD
    assert named(home, "last", "cfr").source == PROBLEM.baselines["cfr"]
    assert named(home, "last", str(file)).source == UNIFORM
    for wrong in ("#2", "nobody", "abcdef123456"):
        with pytest.raises(Usage):
            named(home, "last", wrong)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_writes_what_it_prints_and_no_agent_sees_it(session):
    home, folder = session
    line = [
        sys.executable,
        "-m",
        "equilibrist",
        "confirm",
        "last",
        "best",
        "--sandbox",
        "unconfined",
        "--json",
    ]
    line += ["--games", "kuhn_poker(players=2)", "--horizons", "none", "--repeats", "1", "--home", str(home)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    journal = Journal.view(folder)
    (event,) = journal.events(KIND)
    assert event.data == told
    assert told["parts"][0]["games"] == ["kuhn_poker(players=2)"]
    assert {other["baseline"] for other in told["parts"][0]["against"]} == set(PROBLEM.baselines)
    archive = Archive.of(journal)
    assert set(archive.entries) == {program_id(GOOD)}
    assert KIND in INPUTS
