"""A session made again from its record, and one that goes on otherwise from the middle."""

import json
import shutil
import threading
import time

import pytest
from loopback import call, researcher
from small import PROBLEM
from studio import Studio, thinker

from equilibrist.errors import Failed, Usage
from equilibrist.fork import fork
from equilibrist.replay import replay
from equilibrist.steer import leave
from memory.events import encode
from memory.journal import Journal
from tools.evaluation import Evaluator


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path / "home")


def same_files(one, other):
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file() and path.name != "lock"]
    assert {p for p in files if p.parts[0] != "inbox"} == {
        path.relative_to(other) for path in other.rglob("*") if path.is_file()
    }
    for path in files:
        if path.parts[0] != "inbox":
            assert (one / path).read_bytes() == (other / path).read_bytes(), path


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_session_is_made_again_byte_for_byte(studio, tmp_path, parallel):
    name, _ = studio.start(experiments=5, parallel=parallel)
    asked, runs = len(studio.models["dear"].asked), len(studio.sandbox.runs)
    made = replay(studio.home, name, tmp_path / "again")
    same_files(studio.folder(name), tmp_path / "again" / name)
    assert (len(studio.models["dear"].asked), len(studio.sandbox.runs)) == (asked, runs)
    journal = studio.journal(name)
    own = [e for e in journal.events() if e.kind not in ("reply", "outcome", "begun")]
    assert made.made == len(own)
    assert made.made + made.taken == len(journal)


def test_the_files_are_not_copied_but_made(studio, tmp_path):
    """Programs are missing from the source, and one of its experiments was touched up: both come to light."""
    name, _ = studio.start(experiments=3)
    folder = studio.folder(name)
    programs = {path.name for path in (folder / "programs").iterdir()}
    shutil.move(folder / "programs", tmp_path / "programs")
    with pytest.raises(Failed, match="program came out otherwise"):
        replay(studio.home, name, tmp_path / "a")
    assert {path.name for path in (tmp_path / "a" / name / "programs").iterdir()} == programs
    shutil.move(tmp_path / "programs", folder / "programs")

    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    for i, line in enumerate(lines):
        event = json.loads(line)
        if event["kind"] == "experiment" and event["data"]["number"] == 2:
            event["data"]["result"]["score"] += 1.0
            lines[i] = encode(event["n"], event["kind"], event["key"], event["data"], event["time"])
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(Failed, match="experiment .number 2.*result"):
        replay(studio.home, name, tmp_path / "b")


def test_a_lost_reply_is_named(studio, tmp_path):
    name, _ = studio.start(experiments=3)
    folder = studio.folder(name)
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    gone = next(i for i, line in enumerate(lines) if b'"kind":"reply"' in line and b'"experiment":2' in line)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
    with pytest.raises(Failed, match="another way than the session"):
        replay(studio.home, name, tmp_path / "again")


def test_a_session_that_ran_out_of_budget_and_was_resumed_is_made_again(studio, tmp_path):
    name, end = studio.start(experiments=6, tokens=20_000, parallel=2)
    assert end == "budget"
    replay(studio.home, name, tmp_path / "short")
    same_files(studio.folder(name), tmp_path / "short" / name)
    studio.resume(name, tokens=None)
    replay(studio.home, name, tmp_path / "whole")
    same_files(studio.folder(name), tmp_path / "whole" / name)


@pytest.mark.parametrize("cut", [10, 30, 47, 60])
def test_a_killed_session_is_made_again_as_far_as_it_came(studio, tmp_path, cut):
    """Whatever line the kill fell on: the record is cut there."""
    name, _ = studio.start(experiments=4, parallel=2)
    journal = studio.folder(name) / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:cut]))
    keep = {
        json.loads(line)["data"].get("proposal", {}).get("program_id")
        for line in lines[:cut]
        if json.loads(line)["kind"] == "experiment"
    }
    replay(studio.home, name, tmp_path / "again")
    assert (tmp_path / "again" / name / "journal.jsonl").read_bytes() == journal.read_bytes()
    made = {path.stem for path in (tmp_path / "again" / name / "programs").iterdir()}
    assert keep <= made


def test_a_baseline_that_is_whole_is_made_again_though_another_is_not(studio, tmp_path, monkeypatch):
    """Two are judged at a time; the kill falls between their ends."""
    whole, slow_ended = Evaluator.evaluate, threading.Event()

    def in_turn(self, source, *rest, **named):
        if source == PROBLEM.baselines["plain"]:
            assert slow_ended.wait(20)
        result = whole(self, source, *rest, **named)
        slow_ended.set()
        return result

    def slowly(self, source, *rest, **named):
        time.sleep(0.3 if source == PROBLEM.baselines["slow"] else 0.0)
        return whole(self, source, *rest, **named)

    monkeypatch.setattr(Evaluator, "evaluate", in_turn)
    name, _ = studio.start(experiments=1, parallel=2)
    journal = studio.folder(name) / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if json.loads(line)["kind"] == "baseline"]
    assert json.loads(lines[ends[0]])["data"]["name"] == "slow"
    journal.write_bytes(b"".join(lines[: ends[0] + 1]))
    monkeypatch.setattr(Evaluator, "evaluate", slowly)
    replay(studio.home, name, tmp_path / "again")
    assert (tmp_path / "again" / name / "journal.jsonl").read_bytes() == journal.read_bytes()


def test_what_people_said_is_made_again_with_the_rest(studio, tmp_path):
    name, _ = studio.start(experiments=2)
    leave(studio.folder(name), "steer", {"text": "try inertia", "until": None})
    studio.resume(name, experiments=4)
    replay(studio.home, name, tmp_path / "again")
    same_files(studio.folder(name), tmp_path / "again" / name)


def curious(request):
    """A researcher whose analyst asks for an ablation before it concludes."""
    heard = request["messages"]
    human = next(m["content"] for m in heard if m["role"] == "user")
    brief = json.loads(human.split("```json\n")[1].split("\n```")[0])
    if brief["role"] == "analyst" and sum(m["role"] == "tool" for m in heard) == 1:
        edit = {"search": "0.1", "replace": f"0.1{brief['experiment']}"}
        wanted = {"program_id": brief["program_id"], "edits": [edit], "question": "Is it the rate?"}
        return call("run_ablation", wanted)
    return researcher(request)


def test_an_ablation_is_kept_and_made_again_with_the_rest(studio, tmp_path):
    studio.models["dear"] = thinker(play=curious)
    name, _ = studio.start(experiments=2)
    runs = len(studio.sandbox.runs)
    for event in studio.journal(name).events("experiment"):
        ablation = event.data["analysis"]["ablation"]
        assert ablation["result"]["score"] is not None
        assert studio.journal(name).program(ablation["program_id"]) == ablation["source"]
    replay(studio.home, name, tmp_path / "again")
    same_files(studio.folder(name), tmp_path / "again" / name)
    assert len(studio.sandbox.runs) == runs


def test_a_replay_overwrites_nothing(studio):
    name, _ = studio.start(experiments=1)
    replay(studio.home, name, None)
    with pytest.raises(Usage, match="exists"):
        replay(studio.home, name, None)


def ledger(studio, name):
    return [
        (e.data["number"], e.data["proposal"]["program_id"], e.data["result"]["score"])
        for e in studio.journal(name).events("experiment")
    ]


def test_a_fork_with_the_same_settings_goes_the_same_way_and_evaluates_nothing_twice(studio):
    name, _ = studio.start(experiments=5)
    runs = len(studio.sandbox.runs)
    other = fork(studio.home, name, 3, {})
    asked = len(studio.models["dear"].asked)
    studio.resume(other)
    assert ledger(studio, other) == ledger(studio, name)
    assert len(studio.sandbox.runs) == runs
    assert len(studio.models["dear"].asked) == asked + 2 * 6
    assert Journal.view(studio.folder(other)).session["forked"] == {"session": name, "at": 3}


def test_a_fork_goes_its_own_way_with_other_settings(studio, tmp_path):
    name, _ = studio.start(experiments=4)
    other = fork(studio.home, name, 2, {"seed": 9, "experiments": 6, "proposer": "free"})
    assert studio.resume(other) == "done"
    assert ledger(studio, other)[:2] == ledger(studio, name)[:2]
    assert len(ledger(studio, other)) == 6
    models = {
        event.data["model"]
        for event in studio.journal(other).events("reply")
        if event.data["role"] == "proposer"
    }
    assert models == {"free"}
    replay(studio.home, other, tmp_path / "again")
    same_files(studio.folder(other), tmp_path / "again" / other)


def test_a_fork_remembers_what_the_session_had_learnt_and_no_more(studio):
    name, _ = studio.start(experiments=5)
    other = fork(studio.home, name, 2, {"seed": 3})
    snapshot = studio.journal(other).session["memory"]
    before = studio.journal(name).find("experiment", "2").n
    last = snapshot["journals"][f"sessions/{name}"]
    assert last < before
    assert last == max(
        e.n for e in studio.journal(name).events() if e.kind.startswith("lesson_") and e.n < before
    )


def test_a_fork_needs_an_experiment_that_exists_and_something_to_do(studio):
    name, _ = studio.start(experiments=2)
    with pytest.raises(Usage, match="no experiment 7"):
        fork(studio.home, name, 7, {})
    with pytest.raises(Usage, match="nothing is left"):
        fork(studio.home, name, 2, {})
    assert len(list((studio.home / "sessions").iterdir())) == 1
