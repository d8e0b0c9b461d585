"""An environment of the user's own: validated, adapted, carried to where the sandbox is."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from equilibrist.bring import bring as validated
from equilibrist.errors import Usage
from problems import PROBLEMS, apart, brought
from problems.brought import BroughtError
from problems.inprocess import InProcess
from problems.learning.adapter import Adapted
from problems.learning.referee import rollout
from sandbox import referee
from tests.harvest import Harvest

PROBLEM = PROBLEMS["learning"]
BRING = PROBLEM.bring
assert BRING is not None
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with the package of a user in it, and nothing of it imported yet."""
    package = tmp_path / "farm" / "fields"
    package.mkdir(parents=True)
    (tmp_path / "farm" / "__init__.py").write_text("")
    text = (ROOT / "tests" / "harvest.py").read_text()
    (package / "wheat.py").write_text(text + "\nfrom farm import tools\n")
    (tmp_path / "farm" / "tools.py").write_text("SCALE = 1\n")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "farm"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_users_environment_is_measured_packed_and_learnt_elsewhere(shop):
    game = BRING("farm.fields.wheat:parallel_env(length=10)")
    assert game.name.startswith("farm.fields.wheat:parallel_env(length=10)@")
    assert "3 agents" in game.about
    assert game.data is not None
    told = json.loads(game.data)
    assert set(told["files"]) == {"farm/__init__.py", "farm/tools.py", "farm/fields/wheat.py"}
    assert told["arguments"] == {"length": 10}
    assert BRING("farm.fields.wheat:parallel_env(length=10)").name == game.name
    brought.keep(game.name, game.data)
    assert PROBLEM.pack(game.name) == game.data
    code = (  # another process in another folder, with nothing but the bytes
        "import sys, json; from problems.inprocess import InProcess; from problems import PROBLEMS; "
        "from problems.learning.referee import rollout; p = PROBLEMS['learning']; "
        "made = rollout(InProcess(p.rule, p.baselines['mappo']), sys.stdin.buffer.read(), "
        "{**p.smoke_settings, 'seed': 0}); print(json.dumps(made['return']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=game.data, cwd=ROOT, capture_output=True, timeout=170
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(json.loads(done.stdout)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("farm", "package.module:function"),
        ("barn.door:env", "no module barn"),
        ("farm.fields.wheat:env", "has no env; it has parallel_env"),
        ("farm.fields.wheat:parallel_env(lenth=3)", "lenth"),
        ("farm.fields.wheat:parallel_env(3)", "need names"),
        ("farm.fields.wheat:parallel_env(length=)", "cannot be read"),
        ("farm.fields.wheat:strange", "neither pettingzoo.ParallelEnv"),
        ("farm.fields.wheat:parallel_env(fault='crash')", "the field is on fire"),
        ("farm.fields.wheat:parallel_env(fault='nan')", "not finite"),
        ("farm.fields.wheat:parallel_env(fault='mask')", ""),
        ("farm.fields.wheat:parallel_env(fault='range')", "is 70 at [0], outside its space"),
        ("farm.fields.wheat:parallel_env(fault='unpaid')", "no reward to"),
        ("farm.fields.wheat:parallel_env(fault='moneyless')", "The reward of guard is None"),
        ("farm.fields.wheat:parallel_env(fault='nobody')", "has no agents"),
        ("farm.fields.wheat:parallel_env(fault='endless')", "not over after"),
        ("farm.fields.wheat:parallel_env(fault='hang')", "not done after 3 s (wheat.py, line"),
        ("farm.fields.wheat:parallel_env(fault='slow')", "ms a step; more than 5.9 ms is too slow"),
        ("farm.fields.wheat:same", "one environment again and again"),
    ],
)
def test_a_broken_environment_is_refused_with_its_fault(shop, text, told, monkeypatch):
    if "hang" in text:
        monkeypatch.setattr(importlib.import_module("problems.learning.bring"), "PATIENCE", 3.0)
    with pytest.raises(BroughtError) as caught:
        BRING(text)
    assert told in str(caught.value)


def test_an_environment_that_ends_the_interpreter_ends_a_child_of_ours(shop):
    with pytest.raises(Usage, match=r"Python was left \(exit code 3\)"):
        validated(PROBLEM, ["farm.fields.wheat:parallel_env(fault='left')"], print)
    said: list[str] = []
    (game,) = validated(PROBLEM, ["farm.fields.wheat:parallel_env"], said.append)
    assert game.data == brought.kept(game.name)
    assert "3 agents" in said[0]
    assert "farm.fields.wheat" not in sys.modules


def test_an_environment_that_catches_what_interrupts_it_is_ended_all_the_same(shop, monkeypatch):
    monkeypatch.setattr(importlib.import_module("problems.learning.bring"), "PATIENCE", 2.0)
    monkeypatch.setattr(apart, "STUBBORN", 1.0)
    told = r"parallel_env.* does not end and catches what interrupts it \(wheat.py, line \d+, in step\)"
    with pytest.raises(Usage, match=told):
        validated(PROBLEM, ["farm.fields.wheat:parallel_env(fault='stubborn')"], print)


def test_patience_leaves_a_clock_that_runs_already_as_it_would_be():
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(time.monotonic()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 30.0, 7.0)
        with apart.patience(10.0):
            time.sleep(0.2)
        rest, interval = signal.getitimer(signal.ITIMER_REAL)
        assert (29.0 < rest <= 29.8, interval, fired) == (True, 7.0, [])
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with apart.patience(10.0):  # less patient than this, the clock goes on
            time.sleep(0.3)
        assert len(fired) == 1
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        with pytest.raises(TimeoutError, match="not done after 0 s"), apart.patience(0.1):
            time.sleep(5.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def test_a_busy_machine_is_given_fewer_batches_and_never_more():
    bring = importlib.import_module("problems.learning.bring")
    batches = [bring._batches(2.0, 6.0, bring.LIMIT_TOGETHER, share) for share in (1.0, 0.9, 0.5, 0.01)]
    assert batches == [(27, 27), (27, 24), (27, 12), (27, bring.FEWEST)]


def test_faults_of_a_module_are_told_with_their_line(shop):
    (shop / "broken.py").write_text("import numpy\nx = 1 / 0\n")
    with pytest.raises(BroughtError, match=r"division by zero \(broken.py, line 2"):
        BRING("broken:env")
    (shop / "mapped.py").write_text(
        "from farm.fields.wheat import parallel_env\nMAP = open(__file__).read()\n"
    )
    with pytest.raises(
        BroughtError, match=r"where its source was carried to.*mapped.py, line 2.*must be in them"
    ):
        BRING("mapped:parallel_env")
    (shop / "script.py").write_text("import sys\nsys.exit(2)\n")
    with pytest.raises(BroughtError, match=r"script cannot be imported: SystemExit: 2 \(script.py, line 2"):
        BRING("script:env")
    (shop / "needy.py").write_text("import a_package_that_is_not_there\n")
    with pytest.raises(BroughtError, match="needs the package a_package_that_is_not_there"):
        BRING("needy:env")


def test_masks_deaths_and_differing_spaces_reach_the_batch():
    told = {"entry": "tests.harvest:parallel_env", "arguments": {"length": 12}}
    environment = Adapted(told, 2, np.random.default_rng(0))
    environment.reset(np.ones(2, bool))
    assert [agent.actions for agent in environment.agents] == [3, 3, 2]
    assert [agent.role for agent in environment.agents] == [0, 0, 1]
    assert environment.observe()[1][0, 3:].tolist() == [0.0, 1.0]  # 4 numbers and a mark, the second reaper
    two, one, none = np.full(2, 2), np.full(2, 1), np.zeros(2, int)
    for _ in range(2):
        step = environment.step([two, one, none])
        assert not step.dead.any()
    assert environment.legal()[0].tolist() == [[True, True, False]] * 2
    step = environment.step([one, one, none])
    assert step.dead.tolist() == [[True, False, False]] * 2
    assert environment.acting().tolist() == [[False, True, True]] * 2
    assert (environment.observe()[0][:, :3] == 0).all()
    assert environment.legal()[0].tolist() == [[True, False, False]] * 2
    assert environment.step([none, one, none]).rewards[0, 0] == 0.0


def test_what_fails_in_play_is_told_by_its_own_line():
    told = {"entry": "tests.harvest:parallel_env", "arguments": {"fault": "crash"}}
    environment = Adapted(told, 1, np.random.default_rng(0))
    environment.reset(np.ones(1, bool))
    none = [np.zeros(1, int)] * 3
    for _ in range(2):
        environment.step(none)
    told_so = r"fails in play: RuntimeError: the field is on fire \(harvest.py, line \d+: raise"
    with pytest.raises(BroughtError, match=told_so):
        environment.step(none)


def test_an_agent_that_is_selected_after_it_left_is_told():
    told = {"entry": "pettingzoo.classic.tictactoe_v3:env", "arguments": {}, "files": {}}
    environment = Adapted(told, 1, np.random.default_rng(0))
    environment.copies[0] = SimpleNamespace(agents=["second"], agent_selection="first")
    with pytest.raises(BroughtError, match=r"`agent_selection` is 'first', who is not among .* \('second'\)"):
        environment._pass_over_the_dead(0)


@pytest.mark.parametrize("entry", ["pettingzoo.classic.tictactoe_v3:env", "mpe2.simple_tag_v3:env"])
def test_environments_by_turns_are_learnt(entry):
    told = {"entry": entry, "arguments": {}, "files": {}}
    plan = {"iterations": 2, "steps": 12, "copies": 2, "low": 0.0, "high": 1.0, "episodes": 2}
    settings = {"seeds": 2, "judgements": 1, "scale": 1.0, "seed": 0}
    candidate = InProcess(PROBLEM.rule, PROBLEM.baselines["ippo"])
    made = rollout(candidate, json.dumps(told | {"plan": plan}).encode(), settings)
    assert len(made["return"]) == 1
    if "tictactoe" in entry:  # zero sum, by turns: the mean over both players
        assert made["return"] == [0.0]


def test_where_one_gains_what_others_lose_each_is_judged_against_random_play(shop):
    game = BRING("pettingzoo.classic.tictactoe_v3:env")
    assert "what one gains others lose" in game.about
    told = json.loads(game.data)
    assert told["plan"]["measure"] == "scripts"
    assert told["plan"]["low"] == 0.0
    assert 0.5 < told["plan"]["high"] <= 1.0  # a standard deviation of wins and losses
    told["plan"] |= {"iterations": 2, "steps": 12, "copies": 2, "episodes": 4}
    settings = {"seeds": 2, "judgements": 1, "scale": 1.0, "seed": 0}
    made = rollout(InProcess(PROBLEM.rule, PROBLEM.baselines["ippo"]), json.dumps(told).encode(), settings)
    assert made["seed_1"] != [0.0]


def test_a_parallel_environment_of_pettingzoo_itself(shop):
    game = BRING("mpe2.simple_spread_v3:parallel_env(max_cycles=10)")
    assert game.data is not None
    assert json.loads(game.data)["files"] == {}  # installed, not the user's
    assert "10 steps an episode" in game.about


def test_the_example_passes_its_own_test():
    from pettingzoo.test import parallel_api_test

    parallel_api_test(Harvest(), num_cycles=50)


def test_a_fault_of_what_was_brought_leaves_the_referee_without_a_traceback(monkeypatch):
    def failing(*_: object) -> None:
        raise BroughtError("A reward of mine:env is not finite.")

    monkeypatch.setattr(referee, "Candidate", failing)
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:
        referee._child({"core": min(os.sched_getaffinity(0))}, b"", None, theirs, 2)  # type: ignore[arg-type]
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours, "rb") as answer:
        told = json.load(answer)
    assert told == {"failure": "A reward of mine:env is not finite.", "brought": True, "spoiled": True}


def test_what_begins_to_hang_in_play_and_catches_what_interrupts_it_is_no_fault_of_the_program(monkeypatch):
    def played(*_: object) -> None:
        environment = Adapted(
            {"entry": "tests.harvest:parallel_env", "arguments": {"fault": "stubborn"}},
            *(1, np.random.default_rng(0)),
        )
        environment.reset(np.ones(1, bool))
        for _ in range(3):
            environment.step([np.zeros(1, int)] * 3)

    monkeypatch.setattr(referee, "Candidate", lambda *_: None)
    monkeypatch.setattr(referee, "_evaluate", played)
    monkeypatch.setattr(importlib.import_module("problems.learning.faults"), "PATIENCE", 1.0)
    monkeypatch.setattr(apart, "STUBBORN", 1.0)
    host, ours = os.pipe()
    limits = {"wall_seconds": 30.0, "output_kb": 1}
    told = referee._play({"slot": 0, "limits": limits}, b"", None, host)  # type: ignore[arg-type]
    os.close(host)
    os.close(ours)
    assert told["failure"].startswith("does not end and catches what interrupts it (harvest.py, line ")
    assert told["failure"].endswith(", in step)")
    assert (told["brought"], told["spoiled"]) == (True, True)
