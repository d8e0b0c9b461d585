"""An exported rule: one file, nothing of ours, the same numbers inside OpenSpiel."""

import ast
import os
import subprocess
import sys

import pytest

from equilibrist.errors import Failed, Usage
from equilibrist.export import SAME, export
from equilibrist.programs import Named
from problems.regret import PROBLEM
from problems.regret.export import export as as_file
from problems.regret.solver import Infosets
from sandbox import open_sandbox

OURS = {"problems", "sandbox", "memory", "tools", "agents", "equilibrist"}


@pytest.fixture(scope="module")
def box():
    with open_sandbox("unconfined", slots=1, say=lambda line: None) as box:
        yield box


def mine(source, tmp_path):
    return Named(tmp_path, tmp_path / "regret-001", PROBLEM, "mine", source)


@pytest.mark.parametrize("name", ["vad_cfr", "apcfr_plus"])
def test_the_file_gives_the_same_inside_openspiel(name, tmp_path, box):
    path = tmp_path / "rule.py"
    games = (
        ("kuhn3", "goofspiel3", "goofspiel(num_cards=3,imp_info=True)") if name == "vad_cfr" else ("leduc2",)
    )
    made = export(mine(PROBLEM.baselines[name], tmp_path), path, box, games)
    assert made.difference <= SAME
    assert all(len(made.there[game]) == 3 for game in games)
    imported = {
        (alias.name if isinstance(node, ast.Import) else node.module).split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not imported & OURS
    assert imported <= {"argparse", "inspect", "math", "numpy", "pyspiel", "torch", "open_spiel"}


def test_every_baseline_becomes_a_file_that_compiles():
    for source in PROBLEM.baselines.values():
        compile(as_file(source, 'a "title" """'), "rule.py", "exec")


def test_the_file_is_a_program_of_its_own(tmp_path):
    path = tmp_path / "rule.py"
    path.write_text(as_file(PROBLEM.baselines["dcfr"], "title"))
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
    lopsided = PROBLEM.baselines["cfr_plus"].replace(
        "return self.infosets.normalise(self.regrets)",
        "return self.infosets.normalise(self.regrets + torch.linspace(0, 0.1, self.infosets.sequences))",
    )
    with pytest.raises(Failed, match="differs"):
        export(mine(lopsided, tmp_path), tmp_path / "rule.py", box, ("kuhn2",))


def test_names_that_clash_are_told(tmp_path, box):
    source = "class Solver:\n    pass\n\n\n" + PROBLEM.baselines["cfr"]
    with pytest.raises(Usage, match="Solver"):
        export(mine(source, tmp_path), tmp_path / "rule.py", box)


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
