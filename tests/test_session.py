"""Whole sessions through the command that a user types."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import Loopback, researcher

from memory.archive import Archive
from memory.journal import Journal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SMALL = ("--experiments", "5", "--sandbox", "unconfined")


def equilibrist(*arguments, home, check=True, timeout=300, **environment):
    """Run the command line as a user would."""
    done = subprocess.run(
        [sys.executable, "-m", "equilibrist", *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        env={**clean_environment(), **environment},
        timeout=timeout,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "EQUILIBRIST_HOME"))}


def ledger(home, session="regret-001"):
    """What a session found: every experiment's program, verdicts, scores and lessons."""
    experiments = Archive.of(Journal.view(home / "sessions" / session)).experiments
    return [
        (
            e.number,
            e.proposal and e.proposal.program_id,
            e.verdicts,
            e.result.score,
            e.result.games,
            e.lesson_ids,
        )
        for e in experiments
    ]


@pytest.fixture
def fresh(undisturbed, tmp_path):
    """A home without sessions or memory, where the baselines have been judged before."""
    shutil.copytree(undisturbed[0] / "cache", tmp_path / "cache")
    return tmp_path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    home = tmp_path_factory.mktemp("undisturbed")
    done = equilibrist("run", "regret", *SMALL, "--json", home=home)
    return home, json.loads(done.stdout)


def test_a_session_ends_with_a_leaderboard_lessons_and_programs(undisturbed):
    home, summary = undisturbed
    assert summary["state"] == "done"
    assert [e["number"] for e in summary["experiments"]] == [1, 2, 3, 4, 5]
    names = {row["name"] for row in summary["leaderboard"]}
    assert {"cfr", "cfr_plus", "dcfr", "lcfr", "pcfr_plus", "dpcfr_plus"} <= names
    assert summary["lessons"]
    for row in summary["leaderboard"]:
        assert (home / "sessions" / "regret-001" / "programs" / f"{row['program_id']}.py").exists()


def test_the_same_seed_gives_the_same_session_and_another_seed_another(undisturbed, fresh):
    home, _ = undisturbed
    equilibrist("run", "regret", *SMALL, home=fresh)
    equilibrist("run", "regret", *SMALL, "--seed", "1", home=fresh)
    assert ledger(fresh) == ledger(home)
    programs = [{row[1] for row in ledger(fresh, name)} for name in ("regret-001", "regret-002")]
    assert len(programs[0] & programs[1]) <= 1  # two seeds may come to one and the same small change


def test_a_rerun_in_the_same_home_repeats_itself(undisturbed):
    home, _ = undisturbed
    equilibrist("run", "regret", *SMALL, home=home)
    assert ledger(home, "regret-002") == ledger(home, "regret-001")


@pytest.mark.parametrize("events", [12, 60, 110])
def test_a_killed_session_resumes_to_the_same_ledger(undisturbed, fresh, events):
    home, _ = undisturbed
    command = [sys.executable, "-m", "equilibrist", "run", "regret", *SMALL, "--home", str(fresh)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    journal = fresh / "sessions" / "regret-001" / "journal.jsonl"
    deadline = time.monotonic() + 200
    while not journal.exists() or journal.read_bytes().count(b"\n") < events:
        assert process.poll() is None, "the session ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = journal.read_bytes()

    equilibrist("resume", "regret-001", home=fresh)

    assert ledger(fresh) == ledger(home)
    whole_lines = before[: before.rfind(b"\n") + 1]
    assert journal.read_bytes().startswith(whole_lines), "something recorded was lost"
    keyed = [(e.kind, e.key) for e in Journal.view(journal.parent).events() if e.key is not None]
    assert len(keyed) == len(set(keyed)), "something was done twice"


def test_resuming_a_finished_session_does_nothing_twice(undisturbed):
    home, _ = undisturbed
    folder = home / "sessions" / "regret-001"
    costly = ("outcome", "reply", "experiment", "baseline")
    before = [e.n for e in Journal.view(folder).events(*costly)]
    equilibrist("resume", "regret-001", home=home)
    assert [e.n for e in Journal.view(folder).events(*costly)] == before


def test_a_session_can_be_prolonged(undisturbed, fresh):
    home, _ = undisturbed
    equilibrist("run", "regret", "--experiments", "3", "--sandbox", "unconfined", home=fresh)
    equilibrist("resume", "last", "--experiments", "5", home=fresh)
    assert ledger(fresh) == ledger(home)


def test_evaluate_gives_the_score_that_the_session_gave(undisturbed):
    home, summary = undisturbed
    row = next(row for row in summary["leaderboard"] if row["experiment"])
    name = f"regret-001/{row['program_id']}"
    done = equilibrist("evaluate", "regret", name, "--sandbox", "unconfined", "--json", home=home)
    assert json.loads(done.stdout)["games"] == row["games"]


def test_a_session_is_replayed_and_forked(undisturbed):
    home, _ = undisturbed
    equilibrist("replay", "regret-001", home=home)
    assert ledger(home, "../replays/regret-001") == ledger(home)
    other = ("--seed", "9", "--gpu-seconds", "50")
    forked = json.loads(equilibrist("fork", "regret-001", "--at", "3", *other, "--json", home=home).stdout)
    name = forked["session"]
    assert forked["config"]["gpu_seconds"] == 50
    assert ledger(home, name)[:3] == ledger(home)[:3]
    assert ledger(home, name)[3:] != ledger(home)[3:]


def test_ctrl_c_leaves_a_resumable_session(fresh):
    command = [sys.executable, "-m", "equilibrist", "run", "regret", *SMALL, "--home", str(fresh)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
    )
    journal = fresh / "sessions" / "regret-001" / "journal.jsonl"
    while not journal.exists() or b'"kind":"reply"' not in journal.read_bytes():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "equilibrist resume regret-001" in errors
    assert "Traceback" not in errors


def test_transcript_and_memory_and_show_read_the_session(undisturbed):
    home, _ = undisturbed
    told = equilibrist("transcript", "regret-001", "--experiment", "2", home=home).stdout
    assert "submit_program" in told
    assert "give_verdict" in told
    assert "submit_analysis" in told
    one = equilibrist("transcript", "regret-001", "--agent", "critic", "--json", home=home).stdout
    assert {json.loads(line)["role"] for line in one.splitlines()} == {"critic"}
    answer = json.loads(equilibrist("memory", "query", "what changes CFR+?", "--json", home=home).stdout)
    assert answer["lessons"]
    for lesson in answer["lessons"]:  # what failed has no score
        assert lesson["kind"] == "failure" or lesson["evidence"][0]["score"] is not None, lesson
    assert "Leaderboard" in equilibrist("show", "regret-001", home=home).stdout
    rows = json.loads(equilibrist("sessions", "--json", home=home).stdout)
    assert rows[0]["session"] == "regret-001"


def test_a_model_behind_an_endpoint_drives_a_session_and_its_key_stays_out(fresh):
    key = "sk-canary-0123456789abcdef"
    with Loopback(researcher) as server:
        wire = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": server.url}
        few = ("--experiments", "2", "--sandbox", "unconfined")
        equilibrist("run", "regret", "--model", "loopback", *few, home=fresh, **wire)
        asked = len(server.requests)
        equilibrist("resume", "last", home=fresh, **wire)
        assert len(server.requests) == asked, "a reply was paid for twice"
    assert all(row[1] for row in ledger(fresh))
    told = equilibrist("transcript", "last", "--full", home=fresh).stdout
    assert "submit_program" in told
    assert key not in told
    written = [path for path in fresh.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if key.encode() in path.read_bytes()]


def fails(home, *arguments, code, says, **environment):
    done = equilibrist(*arguments, home=home, check=False, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_users_mistakes_get_a_sentence_not_a_traceback(tmp_path):
    fails(tmp_path, "run", "chess", code=2, says="There is no problem 'chess'")
    fails(tmp_path, "run", "regret", "--model", "gpt-x", code=2, says="OPENAI_API_KEY")
    fails(tmp_path, "show", code=2, says="no session")
    fails(tmp_path, "resume", "nothing", code=2, says="no session")
    fails(tmp_path, "evaluate", "regret", "no_such_rule", code=2, says="neither a file")
    fails(tmp_path, "evaluate", "regret", "cfr", "--games", "no_such_game", code=2, says="no_such_game")
    fails(tmp_path, "run", "regret", "--sandbox", "cellar", code=2, says="cellar")
    fails(tmp_path, "run", "regret", "--experiments", "0", code=2, says="experiments")
    assert not list((tmp_path / "sessions").glob("*")), "a mistake must not leave a session behind"
    fails(Path("/proc/nowhere"), "run", "regret", code=2, says="EQUILIBRIST_HOME")


def test_a_corrupt_journal_line_is_named_and_can_be_set_aside(undisturbed, tmp_path):
    home, _ = undisturbed
    folder = tmp_path / "sessions" / "regret-001"
    folder.parent.mkdir(parents=True)
    subprocess.run(["cp", "-r", str(home / "sessions" / "regret-001"), str(folder)], check=True)
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    lines[20] = lines[20][:40] + b"\x00garbage\n"
    (folder / "journal.jsonl").write_bytes(b"".join(lines))
    fails(tmp_path, "resume", "regret-001", code=1, says="line 21")
    equilibrist("resume", "regret-001", "--salvage", home=tmp_path)
    assert ledger(tmp_path) == ledger(home)
    assert (folder / "journal.bad").exists()
