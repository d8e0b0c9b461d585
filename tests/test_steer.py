"""A person's part: remarks, programs, approval and pause, also from another terminal while a session runs."""

import threading
import time
from contextlib import contextmanager

import pytest
from small import BROKEN, MOMENTUM, PLAIN
from studio import Studio, thinker
from typer.testing import CliRunner

from agents.scripted import ScriptedModel
from equilibrist.cli import app
from equilibrist.replay import replay
from equilibrist.steer import leave, waiting
from memory.files import is_held
from memory.records import program_id


@pytest.fixture
def studio(tmp_path):
    return Studio(tmp_path)


def terminal(studio, *arguments, code=0, answers=""):
    """What a user types in a second terminal."""
    done = CliRunner().invoke(app, [*arguments, "--home", str(studio.home)], input=answers)
    assert done.exit_code == code, (done.output, done.exception)
    return done


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


@contextmanager
def running(studio, **settings):
    """A session in a thread; yields a list that holds (name, end) once it has ended."""
    ended = []
    thread = threading.Thread(target=lambda: ended.append(studio.start(**settings)))
    thread.start()
    until(lambda: list((studio.home / "sessions").glob("*/session.json")))
    try:
        yield ended
    finally:
        studio.asked.set()
        thread.join()


def briefs(studio, name, role):
    prompts = studio.journal(name).events("prompt")
    return {e.data["experiment"]: e.data["human"] for e in prompts if e.data["role"] == role}


def test_a_remark_reaches_the_next_proposals_and_reviews_and_is_journaled(studio):
    name, _ = studio.start(experiments=2, parallel=1)
    terminal(studio, "steer", name, "try inertia")
    terminal(studio, "steer", name, "no more than two constants", "--for", "1")
    studio.resume(name, experiments=4)
    for role in ("proposer", "critic"):
        told = briefs(studio, name, role)
        assert "inertia" not in told[2]
        assert "try inertia" in told[3]
        assert "two constants" in told[3]
        assert "try inertia" in told[4]
        assert "two constants" not in told[4]
    events = [(e.data["text"], e.data["since"]) for e in studio.journal(name).events("steer")]
    assert events == [("try inertia", 3), ("no more than two constants", 3)]
    assert not list((studio.folder(name) / "inbox").iterdir())


def test_a_remark_reaches_a_session_that_runs(studio):
    """Experiment 2 begins only when the remark has been left."""
    left = threading.Event()

    def patient(messages):
        if '"experiment": 1' in messages[1].text:
            left.wait(20)
        return made(messages)

    made = thinker().replies[0]
    studio.models["dear"] = ScriptedModel(replies=[patient], name_shown="dear")
    with running(studio, experiments=2, parallel=1) as ended:
        until(lambda: studio.models["dear"].asked)
        terminal(studio, "steer", "last", "try inertia")
        left.set()
        until(lambda: ended)
    assert "try inertia" not in briefs(studio, "last", "proposer")[1]
    assert "try inertia" in briefs(studio, "last", "proposer")[2]


def test_a_resumed_experiment_hears_what_it_heard_before(studio):
    """A remark that comes between a stop and a resume must not change requests that were paid for."""
    name, end = studio.start(experiments=4, parallel=1, tokens=9_000)
    assert end == "budget"
    begun = max(e.data["number"] for e in studio.journal(name).events("begun"))
    asked = len(studio.models["dear"].asked)
    terminal(studio, "steer", name, "try inertia")
    studio.resume(name, tokens=None)
    assert len(studio.models["dear"].asked) == 4 * 6 > asked
    told = briefs(studio, name, "proposer")
    assert "inertia" not in told[begun]
    assert "inertia" in told[begun + 1]


def test_a_persons_program_is_an_experiment_of_its_own(studio, tmp_path):
    name, _ = studio.start(experiments=1)
    file = tmp_path / "mine.py"
    file.write_text(MOMENTUM)
    terminal(studio, "propose", name, str(file), "Inertia helps on flat bowls.", "--parent", "plain")
    asked = len(studio.models["dear"].asked)
    studio.resume(name, experiments=2)
    (data,) = [e.data for e in studio.journal(name).events("experiment") if e.data["number"] == 2]
    assert data["proposal"]["program_id"] == program_id(MOMENTUM)
    assert data["proposal"]["parent_id"] == program_id(PLAIN)
    assert data["brief"]["author"] == "human"
    assert data["result"]["score"] is not None
    assert data["analysis"]["explanation"]
    assert data["verdicts"] == []
    assert len(studio.models["dear"].asked) == asked + 2, "only the analyst is asked"


def test_a_persons_program_gets_the_most_similar_parent_and_is_checked_at_once(studio, tmp_path):
    name, _ = studio.start(experiments=1)
    file = tmp_path / "mine.py"
    file.write_text(PLAIN.replace("0.1", "0.2") + "\nEXTRA = 1\n")
    assert program_id(PLAIN) in terminal(studio, "propose", name, str(file), "why").output
    file.write_text("x = 1")
    terminal(studio, "propose", name, str(file), "why", code=1)
    file.write_text(BROKEN)
    terminal(studio, "propose", name, str(file), "It will fail, and be told so.")
    studio.resume(name, experiments=3)
    statuses = [e.data["result"]["status"] for e in studio.journal(name).events("experiment")]
    assert statuses == ["ok", "ok", "error"]


def test_nothing_is_evaluated_before_a_person_approves(studio):
    with running(studio, experiments=2, parallel=1, approve=True) as ended:
        until(lambda: waiting(studio.journal("last")))
        (data,) = waiting(studio.journal("last")).values()
        name = data["proposal"]["program_id"]
        assert name not in {program for program, game, n in studio.sandbox.runs if n > 2}
        terminal(studio, "approve", "last", "--program", name)
        until(lambda: any(d["number"] == 2 for d in waiting(studio.journal("last")).values()))
        terminal(studio, "approve", "last", answers="n\ntoo much alike\n")
        until(lambda: ended)
    one, two = (e.data for e in studio.journal("last").events("experiment"))
    assert one["result"]["score"] is not None
    assert [v["by"] for v in one["verdicts"]] == ["critic", "human"]
    assert two["result"] == {**two["result"], "status": "rejected", "message": "Human: too much alike"}
    assert two["proposal"]["program_id"] not in {program for program, game, n in studio.sandbox.runs if n > 2}


def test_an_interrupted_wait_for_approval_is_resumed(studio, tmp_path):
    with running(studio, experiments=1, approve=True):
        until(lambda: waiting(studio.journal("last")))
        studio.asked.set()
    asked = len(studio.models["dear"].asked)
    ((key, _),) = waiting(studio.journal("last")).items()
    leave(studio.folder("last"), "approval", {"key": key, "decision": "approve", "reasons": "go"})
    studio.asked.clear()
    assert studio.resume("last") == "done"
    assert len(studio.models["dear"].asked) == asked + 2, "proposer and critic are not asked again"
    replay(studio.home, "last", tmp_path / "again")


def test_pause_lets_what_is_in_flight_finish(studio):
    with running(studio, experiments=500, parallel=2) as ended:
        until(lambda: len(studio.models) and is_held(studio.folder("last") / "lock"))
        until(lambda: sum(1 for _ in studio.journal("last").events("experiment")) >= 2)
        terminal(studio, "pause")
        until(lambda: ended)
    name, end = ended[0]
    assert end == "paused"
    begun = sum(1 for _ in studio.journal(name).events("begun"))
    finished = sum(1 for _ in studio.journal(name).events("experiment"))
    assert begun == finished < 500
    studio.asked.clear()
    assert studio.resume(name, experiments=finished + 1) == "done"
    terminal(studio, "pause", code=1)


def test_the_stages_reach_the_live_view(studio):
    stages = []

    def spy(messages):
        stages.append(dict(studio.watch.stages))
        return made(messages)

    made = thinker().replies[0]
    studio.models["dear"] = ScriptedModel(replies=[spy], name_shown="dear")
    studio.start(experiments=1)
    assert [s[1] for s in stages] == ["propose", "propose", "criticise", "criticise", "analyse", "analyse"]
    assert studio.watch.stages == {}
