"""The journal under kills, torn and damaged lines, two writers, full disks and read-only folders."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path

import pytest

from equilibrist.reading.lines import Lines
from memory.journal import STAKE, Journal, JournalError, scan
from memory.records import program_id

ROOT = Path(__file__).parent.parent


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def filled(folder: Path, count: int = 3) -> Path:
    with Journal.create(folder, {"seed": 1}) as journal:
        for i in range(count):
            journal.append("note", str(i), text=f"event {i} — ü")
    return folder


def test_events_are_read_back_as_they_were_returned(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {"seed": 1, "problem": "regret"}) as journal:
        written = journal.append(
            "lesson", "k", kind="insight", key="x", pair=(1, 2.5), text='a"b,"data":\ud800\n'
        )
        journal.append("note")
    with Journal.open(tmp_path / "s") as journal:
        assert journal.find("lesson", "k") == written
        assert written.data["pair"] == [1, 2.5]
        assert written.data["kind"] == "insight"
        assert [event.n for event in journal.events()] == [1, 2]
        assert journal.session == {"seed": 1, "problem": "regret"}
        assert journal.find("lesson", "other") is None


def test_what_costs_money_is_on_the_disk_at_once_and_of_evaluations_half_a_second_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    sync = os.fsync

    def counted(file: int) -> None:
        sync(file)
        sizes.append(os.fstat(file).st_size)

    with Journal.create(tmp_path / "s", {}) as journal:
        monkeypatch.setattr(os, "fsync", counted)

        def synced() -> bool:
            """Whether all of the journal has been put on the disk."""
            return bool(sizes) and sizes[-1] == (tmp_path / "s" / "journal.jsonl").stat().st_size

        def slept(seconds: float) -> dict[str, float]:
            time.sleep(seconds)
            return {"slept": seconds}

        journal.recorded("outcome", "quick", lambda: slept(0.0))
        journal.recorded("prompt", "p", lambda: slept(0.0))
        assert not synced()
        journal.recorded("reply", "r", lambda: slept(0.0))
        assert synced()
        journal.recorded("outcome", "one", lambda: slept(STAKE / 2))
        assert not synced()
        journal.recorded("outcome", "two", lambda: slept(STAKE / 2))
        assert synced()
        journal.extend([("lesson_added", "drawn from a reply", {})], worth=0.0)
        assert not synced()
        journal.append("lesson_added", "a person's")
        assert synced()
        for kind in ("experiment", "baseline"):
            journal.recorded(kind, "1", lambda: slept(0.0))
            assert synced()


def test_every_line_is_json_for_other_programs(tmp_path: Path) -> None:
    lines = (filled(tmp_path / "s") / "journal.jsonl").read_text().splitlines()
    assert [list(json.loads(line)) for line in lines] == [["n", "time", "kind", "key", "data", "sum"]] * 3


def test_recorded_computes_once_among_threads_and_after_reopening(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, int]:
        calls.append(1)
        time.sleep(0.05)
        return {"reply": len(calls)}

    with Journal.create(tmp_path / "s", {}) as journal:
        answers: list[dict[str, int]] = []
        threads = [
            threading.Thread(target=lambda: answers.append(journal.recorded("reply", "k", compute)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal.open(tmp_path / "s") as journal:
        answers.append(journal.recorded("reply", "k", compute))
    assert answers == [{"reply": 1}] * 9
    assert len(calls) == 1


def test_a_failed_computation_is_not_recorded_and_may_be_tried_again(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:
        with pytest.raises(ZeroDivisionError):
            journal.recorded("reply", "k", lambda: {"x": 1 // 0})
        assert journal.recorded("reply", "k", lambda: {"x": 2}) == {"x": 2}


def test_different_keys_are_computed_side_by_side(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=5)

    def compute() -> dict[str, int]:
        meeting.wait()
        return {}

    with Journal.create(tmp_path / "s", {}) as journal:
        threads = [threading.Thread(target=journal.recorded, args=("reply", key, compute)) for key in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal) == 2


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:
        threads = [
            threading.Thread(
                target=lambda i=i: [journal.append("note", f"{i}-{j}", x="y" * 500) for j in range(50)]
            )
            for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal.open(tmp_path / "s") as journal:
        assert [event.n for event in journal.events()] == list(range(1, 401))
        assert {event.key for event in journal.events("note")} == {
            f"{i}-{j}" for i in range(8) for j in range(50)
        }


def test_a_torn_last_line_is_set_aside_wherever_it_was_cut(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s")
    path = folder / "journal.jsonl"
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(whole)):
        path.write_bytes(whole[:cut])
        (folder / "journal.bad").unlink(missing_ok=True)
        complete = cut == len(whole) - 1
        assert len(Journal.view(folder)) == 2
        with Journal.open(folder) as journal:
            assert len(journal) == (3 if complete else 2)
            assert journal.append("note", "next").n == (4 if complete else 3)
        set_aside = (folder / "journal.bad").read_bytes() if (folder / "journal.bad").exists() else b""
        assert set_aside == (b"" if complete or cut == last else whole[last:cut] + b"\n")
        with Journal.open(folder) as journal:
            assert journal.find("note", "next")


@pytest.mark.parametrize("damage", [b"#", b'{"n":2}', b"", b"\x00" * 40])
def test_a_damaged_line_in_the_middle_is_named_and_can_be_salvaged(tmp_path: Path, damage: bytes) -> None:
    folder = filled(tmp_path / "s")
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], damage, lines[2]]) + b"\n")
    for opener in (Journal.open, Journal.view):
        with pytest.raises(JournalError, match=r"journal\.jsonl, line 2: damaged.*--salvage"):
            opener(folder)
    with Journal.open(folder, salvage=True) as journal:
        assert [event.key for event in journal.events()] == ["0", "2"]
        assert len(journal.lost) == 1
        assert journal.lost[0].startswith("line 2")
        journal.append("note", "next")
    assert (folder / "journal.bad").read_bytes() == damage + b"\n"
    with Journal.open(folder) as journal:
        assert [event.key for event in journal.events()] == ["0", "2", "next"]


def test_a_changed_digit_is_noticed(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s")
    path = folder / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"event 1", b"event 7"))
    with pytest.raises(JournalError, match="line 2"):
        Journal.open(folder)
    assert [event.key for event in scan(folder, "note")] == ["0", "2"]


def test_a_second_writer_is_refused_with_the_owners_process_id(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:
        with pytest.raises(JournalError, match=f"process {os.getpid()}"):
            Journal.open(tmp_path / "s")
        journal.append("note")
        assert len(Journal.view(tmp_path / "s")) == 1
        with pytest.raises(JournalError, match="reading only"):
            Journal.view(tmp_path / "s").append("note")
    Journal.open(tmp_path / "s").close()


def test_waiting_for_the_other_writer(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "s", {})
    threading.Timer(0.2, journal.close).start()
    Journal.open(tmp_path / "s", wait=5.0).close()


def test_creating_twice_or_opening_nothing(tmp_path: Path) -> None:
    Journal.create(tmp_path / "s", {}).close()
    with pytest.raises(JournalError, match="holds a journal already"):
        Journal.create(tmp_path / "s", {})
    with pytest.raises(JournalError, match="holds no journal"):
        Journal.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


APPEND = """
import sys
from pathlib import Path
from memory.journal import Journal
with Journal.open(Path(sys.argv[1])) as journal:
    for i in range(len(journal), 10**9):
        journal.append("reply" if i % 50 == 0 else "note", str(i), text="x" * (i % 3000))
        print(i, flush=True)
"""


def test_sigkill_in_the_middle_of_appending_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    Journal.create(tmp_path / "s", {}).close()
    acknowledged = -1
    for delay in (0.02, 0.05, 0.11):
        process = start(APPEND, tmp_path / "s")
        assert process.stdout
        acknowledged = int(process.stdout.readline())
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
        process.wait()
        acknowledged = int(rest[-2]) if len(rest) > 1 else acknowledged  # the last may be cut short
        with Journal.open(tmp_path / "s") as journal:
            assert len(journal) > acknowledged
            assert [event.key for event in journal.events()] == [str(i) for i in range(len(journal))]
    assert acknowledged > 10


def test_following_another_process(tmp_path: Path) -> None:
    Journal.create(tmp_path / "s", {}).close()
    process = start(APPEND, tmp_path / "s")
    try:
        lines = Lines(tmp_path / "s")
        seen = list(islice(lines.follow("note", "reply"), 200))
        assert [event.n for event in seen] == list(range(1, 201))
    finally:
        process.kill()
        process.communicate()


def test_a_view_checks_what_it_reads_alone(tmp_path: Path) -> None:
    path = filled(tmp_path / "s") / "journal.jsonl"
    lines = path.read_bytes().splitlines()
    lines[1] = lines[1].replace(b"event 1", b"event 7")
    path.write_bytes(b"\n".join(lines) + b"\n")
    with Journal.view(path.parent) as journal:
        assert journal.find("note", "2").n == 3
        with pytest.raises(JournalError, match="line 2: damaged"):
            list(journal.events())


FULL = """
import resource, sys
from pathlib import Path
from memory.journal import Journal, JournalError
folder = Path(sys.argv[1])
with Journal.open(folder) as journal:
    size = (folder / "journal.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, resource.RLIM_INFINITY))
    journal.append("reply", "fits", text="x" * 1000)
    for _ in range(3):
        try:
            journal.append("reply", "large", text="x" * 9000)
        except JournalError as error:
            print(error)
    journal.append("reply", "fits too", text="x" * 1000)
"""


def test_a_full_disk_is_reported_and_leaves_no_half_line(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s")
    output = start(FULL, folder).communicate()[0]
    assert output.count(f"cannot write {folder}") == 3
    assert (folder / "journal.jsonl").read_bytes().endswith(b"\n")
    with Journal.open(folder) as journal:
        assert [event.key for event in journal.events()] == ["0", "1", "2", "fits", "fits too"]


READ_ONLY = """
import os, sys
from pathlib import Path
from memory.journal import Journal, JournalError
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
home = Path(sys.argv[1])
for action in (lambda: Journal.create(home / "new", {}), lambda: Journal.open(home / "s")):
    try:
        action()
    except JournalError as error:
        print(error)
print(len(Journal.view(home / "s")))
"""


def test_a_read_only_home_is_reported_and_can_still_be_read(tmp_path: Path) -> None:
    folder = filled(tmp_path / "s")
    for parent in tmp_path.parents:  # pytest's own folders are for their owner only
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    for path in (tmp_path, folder, *folder.iterdir()):
        path.chmod(0o555)
    try:
        output = start(READ_ONLY, tmp_path).communicate()[0].splitlines()
    finally:
        for path in (tmp_path, folder):
            path.chmod(0o755)
    assert len(output) == 3
    assert "Permission denied" in output[0]
    assert "Permission denied" in output[1]
    assert output[2] == "3"


def test_programs_are_kept_by_content(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:
        name = journal.save_program("class Rule: ...\r\n")
        assert name == program_id("class Rule: ...\r\n") == journal.save_program("class Rule: ...\r\n")
        assert journal.program(name) == "class Rule: ...\r\n"
        (tmp_path / "s" / "programs" / f"{name}.py").write_text("import os")
        with pytest.raises(JournalError, match="was changed"):
            journal.program(name)
        with pytest.raises(JournalError, match="No such file"):
            journal.program("000000000000")
    assert [path.name for path in (tmp_path / "s" / "programs").iterdir()] == [f"{name}.py"]


SECRET = """
import sys
from pathlib import Path
from memory.journal import Journal
with Journal.create(Path(sys.argv[1]), {"note": "sk-verysecret12345"}) as journal:
    journal.append("reply", "k", error="Incorrect API key provided: sk-verysecret12345.")
"""


def test_a_secret_of_the_environment_is_never_written(tmp_path: Path) -> None:
    environment = {**os.environ, "OPENAI_API_KEY": "sk-verysecret12345"}
    subprocess.run([sys.executable, "-c", SECRET, tmp_path / "s"], cwd=ROOT, env=environment, check=True)
    for path in (tmp_path / "s").rglob("*"):
        assert path.is_dir() or b"verysecret" not in path.read_bytes()
    event = Journal.view(tmp_path / "s").find("reply", "k")
    assert event is not None
    assert event.data["error"] == "Incorrect API key provided: [OPENAI_API_KEY]."


def test_what_is_not_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:
        with pytest.raises(JournalError, match="object, which is not JSON"):
            journal.append("note", x=object())
        assert journal.append("note").n == 1


def test_appending_does_not_slow_down_as_the_journal_grows(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "s", {}) as journal:

        def cost() -> float:
            begun = resource.getrusage(resource.RUSAGE_SELF)
            for _ in range(1000):
                journal.append("note", str(len(journal)), text="x" * 200)
                journal.find("note", str(len(journal) // 2))
            ended = resource.getrusage(resource.RUSAGE_SELF)
            return ended.ru_utime - begun.ru_utime

        first = cost()
        for _ in range(8):
            last = cost()
        assert last < 4 * first + 0.1
