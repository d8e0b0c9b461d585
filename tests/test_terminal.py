"""What is read in a terminal or through a pipe: sessions, one experiment, transcripts."""

import json
import os
import pty
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path

import pytest
from journals import LESSON, UNSEEN, chain, hostile, many, new_session
from rich.console import Console
from typer.testing import CliRunner

from equilibrist import show
from equilibrist.cli import app
from equilibrist.config import Config
from equilibrist.live import Watch
from equilibrist.reading.lines import Lines
from equilibrist.transcript import Filter, transcript
from memory.archive import Archive
from memory.events import Event
from memory.journal import Journal

ROOT = Path(__file__).parent.parent


@pytest.fixture
def home(tmp_path):
    with new_session(tmp_path) as journal:
        chain(journal)
        journal.append("ended", None, reason="done")
    return tmp_path


def run(home, *words):
    return CliRunner().invoke(app, [*words, "--home", str(home)])


def test_sessions_in_a_pipe(home):
    text = run(home, "sessions").stdout
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if "regret-001" in line)
    for told in ("done", "3/12", "2.6000", "+0.6000", "$0.06", "scripted"):
        assert told in row
    (listed,) = json.loads(run(home, "sessions", "--json").stdout)
    assert listed["climb"] == [2.2, 2.2, 2.6]
    assert (listed["failed"], listed["rejected"], listed["tokens"]) == (0, 1, 6000)


def test_one_experiment(home):
    text = run(home, "show", "regret-001", "--experiment", "3").stdout
    assert "\x1b" not in text
    for told in ("gain +0.4000", "Hypothesis 3", LESSON, "approve", "+    BETA = 0.0", "kuhn3"):
        assert told in text
    assert not any(line != line.rstrip() for line in text.splitlines() if line.startswith(("+", "-")))
    assert "It repeats what experiment 1 did." in run(home, "show", "regret-001", "--experiment", "2").stdout
    assert "regret-001 #3" in run(home, "show", "regret-001", "--experiment", "1").stdout
    assert "Finished: 1 to 3" in str(run(home, "show", "regret-001", "--experiment", "9").exception)
    assert json.loads(run(home, "show", "regret-001", "--experiment", "2", "--json").stdout)["number"] == 2


def test_transcripts_are_chosen_by_agent_experiment_and_words(home):
    every = run(home, "transcript", "regret-001").stdout
    assert every.count("is briefed") == 6
    some = run(home, "transcript", "regret-001", "--agent", "critic", "--experiment", "2").stdout
    assert "proposer" not in some
    assert "It repeats what experiment 1 did." in some
    found = run(home, "transcript", "regret-001", "--grep", "NEEDLE", "--experiment", "1").stdout
    assert found.splitlines()[0] == "#1 proposer: I look for the needle."
    assert "critic" not in found
    assert "Nothing was said" in run(home, "transcript", "regret-001", "--grep", "no such words").stdout
    assert "no regular expression" in str(run(home, "transcript", "regret-001", "--grep", "(").exception)
    lines = run(home, "transcript", "regret-001", "--grep", "needle", "--json").stdout.splitlines()
    assert all(json.loads(line)["role"] == "proposer" for line in lines)


def test_hostile_text_reaches_no_terminal(tmp_path):
    hostile(tmp_path)
    for words in (
        ["sessions"],
        ["sessions", "--json"],
        ["show", "regret-001"],
        ["show", "regret-001", "--all"],
        ["show", "regret-001", "--json"],
        ["show", "regret-001", "--experiment", "1"],
        ["show", "regret-001", "--experiment", "2", "--json"],
        ["transcript", "regret-001", "--full"],
        ["transcript", "regret-001", "--json"],
        ["transcript", "regret-001", "--grep", "gnp"],
        ["memory", "list"],
        ["memory", "list", "--json"],
        ["memory", "show", LESSON],
    ):
        made = run(tmp_path, *words)
        assert made.exit_code == 0, (words, made.exception)
        assert "--json" in words or len(made.stdout) < 150_000, words
        for mark in UNSEEN:
            assert mark not in made.stdout, (words, mark)


def test_the_latest_are_shown_first_when_a_session_is_followed(home, capsys):
    lines = Lines(home / "sessions" / "regret-001")
    lines.follow = lambda *kinds: iter(
        [Event(99, "", "unfinished", None, {"role": "critic", "experiment": 4, "reason": "x"})]
    )
    shown = {}
    for last in (None, 3, 0):
        transcript(Console(), lines, Filter(), False, follow=True, as_json=True, last=last)
        shown[last] = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert len(shown[None]) == 11
    assert shown[3] == ["reply", "tool", "experiment", "unfinished"]
    assert shown[0] == ["unfinished"]
    lines = run(home, "transcript", "regret-001", "--last", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["tool", "experiment"]


def test_a_running_session_is_followed_line_by_line(tmp_path):
    journal = new_session(tmp_path)
    command = [
        sys.executable,
        "-m",
        "equilibrist",
        "transcript",
        "regret-001",
        "--follow",
        "--last",
        "99",
        "--json",
        "--home",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    stop = threading.Timer(120, process.kill)
    stop.start()
    try:
        chain(journal)
        assert "Brief of experiment 1" in json.loads(process.stdout.readline())["human"]
        rest = [json.loads(process.stdout.readline()) for _ in range(8)]
        assert any(line.get("text") == "I look for the needle." for line in rest)
    finally:
        stop.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        journal.close()


def on_a_terminal(home, pager, *words):
    """Exit code, and what a terminal is sent."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PAGER": pager, "COLUMNS": "120"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "equilibrist", *words, "--home", str(home)]
    made = subprocess.Popen(
        command, cwd=ROOT, stdin=follower, stdout=follower, stderr=follower, env=environment
    )
    os.close(follower)
    text = b""
    try:
        while block := os.read(leader, 65536):
            text += block
    except OSError:  # the other end has closed: Linux says so by an error
        pass
    code = made.wait(120)
    os.close(leader)
    return code, text


@pytest.mark.parametrize("of", [["--experiment", "3"], ["--all"]])
def test_a_terminal_gets_colours_and_a_pager(home, of):
    code, text = on_a_terminal(home, "sed s/^/PAGED/", "show", "regret-001", *of)
    assert code == 0
    assert b"PAGED" in text
    assert b"\x1b[" in text
    assert b"BETA" in text


@pytest.mark.parametrize("words", [["transcript", "regret-001", "--full"], ["show", "regret-001", "--all"]])
def test_a_pager_that_is_left_early_ends_the_command(home, words):
    """Also that it is given the first page before the last is made: it would not end otherwise."""
    many(home / "sessions" / "regret-001", 1000)
    code, text = on_a_terminal(home, "head -n 1; sleep 1; echo GONE", *words)
    assert code == 0
    assert b"GONE" in text
    assert b"Traceback" not in text
    assert text.count(b"\n") < 5


def test_one_experiment_needs_no_other_to_be_whole(home):
    path = home / "sessions" / "regret-001" / "journal.jsonl"
    harmed = path.read_bytes().replace(b"Brief of experiment 2", b"Brief of experiment 7", 1)
    path.write_bytes(harmed + b'{"n":99,"time":"2026')
    assert "needle" in run(home, "transcript", "regret-001", "--experiment", "1").stdout
    assert "Brief of experiment 7" not in run(home, "transcript", "regret-001", "--experiment", "2").stdout
    assert "3 experiments" in run(home, "show", "regret-001").stdout


def test_a_list_of_all_experiments_says_why_they_failed(home):
    text = run(home, "show", "regret-001", "--all").stdout
    (row,) = [line for line in text.splitlines() if line.startswith("    2 ")]
    assert "rejected" in row
    assert row.endswith("It repeats what experiment 1 did.")


def test_the_lessons_that_led_to_the_best_program_stand_in_the_session(home):
    text = run(home, "show", "regret-001").stdout
    assert f"Its author was shown {LESSON}" in text
    assert "equilibrist show regret-001 --experiment 3" in text


def test_of_many_lessons_behind_the_best_program_a_few_are_shown(home):
    experiment = Archive.of(Journal.view(home / "sessions" / "regret-001")).experiment(3)
    brief = {"lessons": [{"id": f"lesson{n}"} for n in range(9)]}
    experiment = experiment.model_copy(update={"brief": brief})
    console = Console(file=StringIO(), width=200)
    show._led(console, experiment, {})
    lines = console.file.getvalue().splitlines()
    assert [line.split()[-1] for line in lines[:4]] == ["lesson0", "lesson1", "lesson2", "lesson3"]
    assert lines[4].startswith("and ")
    assert "--experiment 3 shows them all" in lines[4]


def test_a_resumed_session_has_no_rate_yet_and_does_not_tell_again_what_is_known(home):
    archive = Archive.of(Journal.view(home / "sessions" / "regret-001"))
    console = Console(file=StringIO())
    watch = Watch(console, Config(problem="regret"))
    for experiment in archive.experiments:
        watch.experiment(experiment, known=True)
    assert console.file.getvalue() == ""
    assert watch.rate() == "rate not yet known"
    assert watch.done == len(archive.experiments)
    watch.experiment(archive.experiments[-1])
    assert "per minute" in console.file.getvalue()
