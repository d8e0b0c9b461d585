"""An exported program: one file, nothing of ours, the same numbers in the other framework."""

import ast
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.spaces import Discrete, MultiDiscrete

from equilibrist.errors import Failed, Usage
from equilibrist.export import _there, export
from equilibrist.programs import Named
from problems import PROBLEMS
from problems.brought import keep
from problems.inprocess import InProcess
from problems.learning.check import QUANTITIES
from problems.learning.outside import legal
from problems.problem import CandidateError
from problems.regret.solver import Infosets
from sandbox.job import Outcome

REGRET, METASOLVER, LEARNING = (PROBLEMS[name] for name in ("regret", "metasolver", "learning"))
NEEDED = {
    "regret": {"argparse", "inspect", "math", "numpy", "pyspiel", "torch", "open_spiel"},
    "metasolver": {
        *("argparse", "contextlib", "inspect", "io", "math", "sys", "types"),
        *("numpy", "pyspiel", "torch", "open_spiel", "scipy"),
    },
    "learning": {
        *("argparse", "ast", "dataclasses", "importlib", "inspect", "math", "sys", "time"),
        *("numpy", "torch", "gymnasium"),
    },
}
"""What a file may import: OpenSpiel brings scipy, PettingZoo gymnasium."""

HELPERS = """
import math
import torch


class Rule:
    STEPS = 30

    def __init__(self, game):
        self.game = game
        self.average = game.zeros()
        self.worth = torch.zeros(game.players)

    def train(self, epoch):
        self.worth = torch.zeros(self.game.players)
        self.game.repeat(self.step, self.STEPS + epoch)
        return self.game.project(self.game.normalise(self.average), floor=0.1 / epoch)

    def evaluate(self):
        start = self.game.ones() * self.game.uniform()
        best = self.game.repeat(self.together, 20, strategy=start, alternating=False)
        own = self.game.payoff(best) + 0.01 * self.game.index - 0.1 * self.game.expand(self.game.strategies)
        return self.game.normalise(best + 0.1 * self.game.softmax(own / math.sqrt(2)))

    def step(self, t, payoff, strategy):
        gain = payoff - self.game.expand(self.game.mean(payoff))
        spread = self.game.max(gain) - self.game.min(gain)
        self.worth = 0.5 * self.worth + self.game.sum(payoff * strategy) + 0.1 * spread
        new = self.game.softmax(2 * gain / torch.sqrt(t + self.game.expand(spread)))
        self.average = torch.add(self.average, new, alpha=t) + 0.01 * self.game.expand(torch.abs(self.worth))
        return new

    def together(self, payoff, strategy):
        return self.game.project(strategy + 0.1 * payoff)
"""
EVERYTHING = f"""
import torch


class Rule:
    def __init__(self, batch):
        self.batch = batch
        self.kept = batch.ones()

    def advantages(self, {", ".join(QUANTITIES)}):
        return self.batch.accumulate(rewards + 0.1 * self.everything({", ".join(QUANTITIES)}), dones, 0.9)

    def policy_loss(self, {", ".join(QUANTITIES)}):
        return self.everything({", ".join(QUANTITIES)}) - self.batch.standardise(advantage) * log_probability

    def value_loss(self, values, central_values, returns):
        far = central_values - self.batch.expand(returns.max())
        return torch.square(values - returns) + torch.square(far)

    def everything(self, {", ".join(QUANTITIES)}):
        everybody = (t + epoch) * self.kept + advantage - returns + rewards + dones + acting
        seen = old_values + next_values - old_central_values + next_central_values + values * central_values
        now = torch.exp(log_probability - old_log_probability) + entropy + 2 * divergence + actions
        chosen = legal * (policy * log_policy + old_policy - 0.1 * old_log_policy + torch.tanh(0.1 * logits))
        weight = 1 + torch.arange(others_policy.shape[0]).reshape(-1, 1, 1)
        others = (weight * (others_rewards + others_actions + (others_policy**2).sum(-1))).sum(0)
        total = everybody + 0.3 * seen + now + self.batch.over_actions(chosen) + 0.1 * others
        return total / (1 + self.batch.max(torch.abs(total)) - self.batch.min(total) + self.batch.mean(total))
"""


class Here:
    """A sandbox without walls, in this process: what is tested is the other one."""

    def run(self, job):
        problem = PROBLEMS[job.problem]
        play = importlib.import_module(problem.referee).rollout
        settings = {**job.settings, "seed": job.seed}
        try:
            made = play(InProcess(problem.rule, job.program), problem.pack(job.game), settings)
        except CandidateError as error:
            return Outcome(status=error.status, message=str(error), artifact=error.artifact)
        return Outcome(status="ok", artifact=made)


@pytest.fixture
def box():
    return Here()


def mine(problem, source, tmp_path):
    return Named(tmp_path, tmp_path / "session-001", problem, "mine", source)


def spoiled(problem, old, new):
    """The problem, with something wrong in what it writes."""

    def write(source, title):
        text = problem.export.write(source, title)
        assert old in text
        return text.replace(old, new)

    return replace(problem, export=replace(problem.export, write=write))


@pytest.mark.parametrize("name", ["vad_cfr", "apcfr_plus"])
def test_a_regret_rule_gives_the_same_inside_openspiel(name, tmp_path, box):
    games = ("leduc2",)
    if name == "vad_cfr":
        games = ("kuhn3", "goofspiel3", "goofspiel(num_cards=3,imp_info=True)")
    made = export(mine(REGRET, REGRET.baselines[name], tmp_path), tmp_path / "rule.py", box, games)
    assert made.games == games
    assert made.differences["exploitability"] <= 1e-9
    assert all(len(made.there[game]["exploitability"]) == 3 for game in games)


def test_a_meta_solver_gives_the_same_inside_psro_v2(tmp_path, box):
    made = export(mine(METASOLVER, HELPERS, tmp_path), tmp_path / "rule.py", box)
    assert not made.left_out
    two, three = made.games
    assert len(made.here[two]["payoffs"]) == 2 * 6**2
    assert len(made.here[three]["payoffs"]) == 3 * 6**3
    assert len(made.there[two]["evaluate"]) == 2 * sum(range(7))
    assert made.here[two]["exploitability"][-1] < made.here[two]["exploitability"][0]


def test_a_learning_rule_gives_the_same_in_the_script(tmp_path, box):
    made = export(mine(LEARNING, EVERYTHING, tmp_path), tmp_path / "script.py", box)
    foraging, (tracking, why) = made.games[0], next(iter(made.left_out.items()))
    assert "tracking" in tracking
    assert "discrete actions alone" in why
    assert len(made.here[foraging]["gradients"]) == 3 * 4 * 3 * 3
    assert min(made.here[foraging]["gradients"]) > 0.0


def test_an_environment_is_tried_with_what_it_says_is_legal():
    two, three = MultiDiscrete([2, 3]), Discrete(3, start=5)
    assert legal(three, {"observation": 0, "action_mask": [0, 0, 1]}, {}) == 7
    assert legal(three, 0, {"action_mask": np.array([0, 1, 1])}) == 6
    assert legal(two, 0, {"action_mask": [0, 0, 0, 0, 1, 1]}).tolist() == [1, 1]
    assert two.contains(legal(two, 0, None))


def test_an_environment_that_a_script_cannot_train_on_is_told_in_a_sentence(tmp_path):
    script, exporting = tmp_path / "script.py", LEARNING.export
    script.write_text("")
    turns = {"entry": "pettingzoo.classic.tictactoe_v3:env", "arguments": {}, "files": {}, "plan": {}}
    with pytest.raises(Failed, match=r"PettingZoo: noughts goes by turns; .* parallel environments alone\.$"):
        _there(exporting, script, {"noughts": turns})
    keep("vmas:balance@0", json.dumps({"vectorised": True}).encode())
    with pytest.raises(ValueError, match="scenario of VMAS"):
        exporting.told("vmas:balance@0")


@pytest.mark.parametrize(
    ("problem", "baseline", "old", "new", "told"),
    [
        ("metasolver", "rm_plus", "@ mixtures[other]", "@ mixtures[player]", "differs"),
        ("learning", "ippo", "float(decay) * going[t]", "float(decay)", "differs"),
        ("learning", "pg", "import argparse", "import problems", "imports problems"),
    ],
)
def test_a_file_with_something_wrong_is_refused(problem, baseline, old, new, told, tmp_path, box):
    broken = spoiled(PROBLEMS[problem], old, new)
    program = mine(broken, broken.baselines[baseline], tmp_path)
    with pytest.raises(Failed, match=told):
        export(program, tmp_path / "rule.py", box)


@pytest.mark.parametrize("problem", NEEDED)
def test_every_baseline_becomes_a_file_without_imports_of_ours(problem):
    for source in PROBLEMS[problem].baselines.values():
        tree = ast.parse(PROBLEMS[problem].export.write(source, 'a "title" """'))
        imported = {
            (alias.name if isinstance(node, ast.Import) else node.module).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert imported - {"cvxpy"} <= NEEDED[problem]


def test_the_file_is_a_program_of_its_own(tmp_path):
    path = tmp_path / "rule.py"
    path.write_text(REGRET.export.write(REGRET.baselines["dcfr"], "title"))
    line = [
        sys.executable,
        "-I",
        str(path),
        "--game",
        "kuhn_poker",
        "--iterations",
        "20",
        "--print_freq",
        "10",
    ]
    done = subprocess.run(line, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, timeout=170)
    assert done.returncode == 0, done.stderr
    shown = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert len(shown) == 2
    assert 0 < shown[1] < shown[0] < 0.2


def test_a_file_that_differs_is_refused(tmp_path, box):
    lopsided = REGRET.baselines["cfr_plus"].replace(
        "return self.infosets.normalise(self.regrets)",
        "return self.infosets.normalise(self.regrets + torch.linspace(0, 0.1, self.infosets.sequences))",
    )
    with pytest.raises(Failed, match="differs"):
        export(mine(REGRET, lopsided, tmp_path), tmp_path / "rule.py", box, ("kuhn2",))


def test_names_that_clash_are_told(tmp_path, box):
    source = "class Solver:\n    pass\n\n\n" + REGRET.baselines["cfr"]
    with pytest.raises(Usage, match="Solver"):
        export(mine(REGRET, source, tmp_path), tmp_path / "rule.py", box)


def test_helpers_are_those_of_the_sandbox():
    import numpy as np
    import torch

    from problems.regret.rule import Infosets as Native

    sizes = [2, 3, 1, 4]
    plain, native = Infosets(sizes), Native(np.concatenate(([0], np.cumsum(sizes))))
    x = torch.randn(3, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x[0, 2:5] = -1.0
    for name in ("sum", "mean", "max", "min", "normalise", "softmax"):
        assert torch.allclose(getattr(plain, name)(x), getattr(native, name)(x), atol=1e-15), name
    assert torch.equal(plain.uniform(), native.uniform())
