"""The library of all sessions and its Chroma index."""

import json
import random
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from remembering import AVERAGE, DISCOUNT, MOMENTUM, Sessions, draft, experiment, texts

from memory.chroma import open_index
from memory.embedder import Cached, Embedder, Words
from memory.library import Library
from memory.mirror import Filter

ROOT = Path(__file__).parent.parent


@pytest.fixture
def library(tmp_path: Path, minilm: Embedder) -> Iterator[Library]:
    with Library(tmp_path, minilm) as opened:
        yield opened


def test_the_library_answers_over_all_sessions(sessions: Sessions, library: Library) -> None:
    assert library.query("anything") == []
    sessions.start("a", 1).learn(experiment(1), [draft(DISCOUNT, 0.1, games=("leduc",)), draft(MOMENTUM)])
    sessions.start("b", 2).learn(experiment(2), [draft(DISCOUNT, 0.2)])
    (found, *_) = library.query("does discounting help in Leduc?")
    assert found.lesson.text == DISCOUNT
    assert (found.lesson.status, found.lesson.supported_by) == ("supported", ("a/1", "b/2"))
    assert library.query("how do I bake bread?") == []


def test_filters(sessions: Sessions, library: Library) -> None:
    sessions.start("a", 1).learn(
        experiment(1), [draft(DISCOUNT, games=("leduc",)), draft(MOMENTUM, kind="failure")]
    )
    other = library.add("metasolver", draft("Discounting regrets helps solvers."))
    question = "discounting regrets, momentum on regrets"

    def ask(**only: object) -> set[str]:
        return set(texts(library.query(question, only=Filter.model_validate(only))))

    assert ask() == {DISCOUNT, MOMENTUM, "Discounting regrets helps solvers."}
    assert ask(problem="metasolver") == {"Discounting regrets helps solvers."}
    assert ask(kind="failure") == ask(problem="regret", kind="failure") == {MOMENTUM}
    assert ask(games=("leduc", "kuhn")) == {DISCOUNT}
    assert ask(session="a") == {DISCOUNT, MOMENTUM}
    assert ask(since="2999-01-01") == ask(status="supported") == set()
    library.retire(other, "wrong")
    assert ask(problem="metasolver") == set()
    assert ask(status="retired") == {"Discounting regrets helps solvers."}
    with pytest.raises(KeyError):
        library.retire("unknown", "")


@pytest.mark.parametrize(
    "only",
    [{}, {"games": ("leduc", "go")}, {"kind": "failure", "since": "2020-01-01"}, {"since": "2999-01-01"}],
)
def test_a_first_question_is_answered_by_chroma_as_later_ones_from_memory(
    tmp_path: Path, minilm: Embedder, only: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library(tmp_path, minilm) as library:
        library.add("regret", draft(DISCOUNT, games=("leduc",)))
        library.add("regret", draft(MOMENTUM, kind="failure"))
        asked = ("regrets: discounting, momentum", 8, Filter.model_validate(only))
        monkeypatch.setattr(library, "_whole", None)
        first = library.query(*asked)
        monkeypatch.undo()
        monkeypatch.setattr(library, "_opened", None)
        assert texts(library.query(*asked)) == texts(first)
        assert len(first) == {"2020-01-01": 1, "2999-01-01": 0}.get(str(only.get("since")), 2 - len(only))


def test_the_index_is_kept_and_follows_the_journals(tmp_path: Path, minilm: Embedder) -> None:
    with Library(tmp_path, minilm) as library:
        library.add("regret", draft(DISCOUNT))
        assert library.sync()
    made = sorted((tmp_path / "memory" / "chroma").rglob("*.sqlite3"))
    index = open_index(tmp_path / "memory" / "chroma", minilm.name, library._laboratory())
    assert index.state["records"] == 1
    index.close()
    with Library(tmp_path, minilm) as library:
        library.add("regret", draft(MOMENTUM))
        assert set(texts(library.query("regrets: discounting, momentum"))) == {DISCOUNT, MOMENTUM}
    assert sorted((tmp_path / "memory" / "chroma").rglob("*.sqlite3")) == made


@pytest.mark.parametrize("harm", ["deleted", "garbage", "emptied", "half"])
def test_a_lost_or_damaged_index_is_rebuilt(tmp_path: Path, minilm: Embedder, harm: str) -> None:
    with Library(tmp_path, minilm) as library:
        library.add("regret", draft(DISCOUNT))
        expected = library.query("discounting")
    folder = tmp_path / "memory" / "chroma"
    if harm == "deleted":
        shutil.rmtree(folder)
    for path in folder.rglob("*"):
        if path.is_file() and harm != "deleted":
            content = path.read_bytes()
            path.write_bytes(
                {"garbage": b"garbage " * 99, "emptied": b"", "half": content[: len(content) // 2]}[harm]
            )
    with Library(tmp_path, minilm) as library:
        assert library.query("discounting") == expected
        assert library.sync()
    with Library(tmp_path, minilm) as library:
        library.rebuild()
        assert library.query("discounting") == expected


def test_another_embedder_gets_vectors_of_its_own(tmp_path: Path, minilm: Embedder) -> None:
    for embedder in (minilm, Words(), minilm):
        with Library(tmp_path, embedder) as library:
            library.add("regret", draft(DISCOUNT + " " * len(embedder.name)))
            assert texts(library.query("discounting early regrets")) == [DISCOUNT]


def test_while_another_has_the_index_answers_come_from_the_journals(tmp_path: Path, minilm: Embedder) -> None:
    with Library(tmp_path, minilm) as owner, Library(tmp_path, minilm) as other:
        owner.add("regret", draft(DISCOUNT))
        assert owner.sync()
        assert not other.sync()
        other.add("regret", draft(MOMENTUM))
        question = "regrets: discounting, momentum"
        assert set(texts(other.query(question))) == set(texts(owner.query(question))) == {DISCOUNT, MOMENTUM}


def test_a_killed_sync_is_noticed_and_completed(tmp_path: Path, minilm: Embedder) -> None:
    with Library(tmp_path, minilm) as library:
        library.add("regret", draft(DISCOUNT))
        assert library.sync()
        laboratory = library._laboratory()
    index = open_index(tmp_path / "memory" / "chroma", minilm.name, laboratory)
    index._lessons.delete(ids=[f"{laboratory}:{name}" for name in library.lessons()])
    index.close()
    with Library(tmp_path, minilm) as library:
        assert texts(library.query("discounting")) == [DISCOUNT]


def test_export_and_import(tmp_path: Path, sessions: Sessions, minilm: Embedder) -> None:
    sessions.start("a", 1).learn(experiment(1), [draft(DISCOUNT, 0.1)])
    sessions.start("b", 2).learn(experiment(2), [draft(DISCOUNT, 0.2), draft(MOMENTUM)])
    with Library(tmp_path, minilm) as here, Library(tmp_path / "other", minilm) as there:
        lines = list(here.export())
        assert there.import_lines([*lines, "\n"]) == 2
        assert there.import_lines(lines) == 0
        (lesson, _) = there.lessons().values()
        assert (lesson.text, lesson.status, lesson.supported_by) == (DISCOUNT, "quarantined", ())
        assert "supported by a/1, b/2" in lesson.observation
        with pytest.raises(ValueError, match="line 2 is no lesson: text"):
            there.import_lines([lines[0], '{"id": "x"}'])
        with pytest.raises(ValueError, match="line 1 is no lesson"):
            there.import_lines(["not json"])


def test_what_a_lesson_refers_to_is_looked_up_without_reading_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library(tmp_path, Words()) as library:
        one = library.add("regret", draft(DISCOUNT))
        line = {"id": "x", "problem": "regret", "text": AVERAGE, "kind": "insight", "against": [one]}
        library.import_lines([json.dumps(line)])
        library.sync()
    with Library(tmp_path, Words()) as library:
        (found,) = library.query("quadratic weights in the average", 1)
        with monkeypatch.context() as context:
            context.setattr(library, "lessons", pytest.fail)
            assert library.related([found.lesson])[one].text == DISCOUNT
        library.retire(one, "no use")
        library.sync()
        assert library.related([found.lesson])[one].status == "retired"


def test_duplicates_from_sessions_side_by_side_are_merged(sessions: Sessions, library: Library) -> None:
    one, two = sessions.start("a", 1), sessions.start("b", 2)
    (first,) = one.learn(experiment(1), [draft(DISCOUNT)])
    (second,) = two.learn(
        experiment(2), [draft("Discounting the early regrets speeds up convergence in Leduc")]
    )
    assert library.merge_duplicates() == [(second, first)]
    assert library.merge_duplicates() == []
    assert library.lessons()[first].supported_by == ("a/1", "b/2")
    assert texts(library.query("discounting early regrets")) == [DISCOUNT]


WRITER = """
import sys
from contextlib import suppress
from pathlib import Path
from memory.embedder import Words
from memory.library import Library
from memory.mirror import Filter
from memory.records import LessonDraft
with Library(Path(sys.argv[1]), Words()) as library:
    for i in range(40):
        text = f"Lesson number {i} of {sys.argv[2]}."
        library.add("regret", LessonDraft(text=text, kind="insight"))
        print(text, flush=True)
        if i % 20 == 0:
            library.query("lesson")
"""


def test_processes_writing_at_once_and_killed_at_random_lose_nothing(tmp_path: Path) -> None:
    dice = random.Random(time.time_ns())
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, name], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    acknowledged = set()
    for writer in writers[1:]:
        assert writer.stdout
        for _ in range(dice.randint(1, 20)):
            acknowledged.add(writer.stdout.readline().strip())
        time.sleep(dice.random() / 20)
        writer.kill()
        told = writer.stdout.read().splitlines(keepends=True)
        acknowledged |= {line.strip() for line in told if line.endswith("\n")}
        writer.wait()
    acknowledged |= set(writers[0].communicate()[0].splitlines())
    assert writers[0].returncode == 0
    with Library(tmp_path, Words()) as library:
        known = {lesson.text for lesson in library.lessons().values()}
        assert len(acknowledged) >= 42
        assert acknowledged <= known
        assert library.sync()
        assert library._index is not None
        assert library._index.state["records"] == len(known)


@pytest.mark.slow
def test_recall_and_query_among_thousands(tmp_path: Path) -> None:
    """Vectors at random in place of an embedder's: what is timed is the search."""

    class Random:
        name, note = "random", ""

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(384) for text in texts]
            return np.array([row / np.linalg.norm(row) for row in rows], np.float32)

    cached = Cached(Random(), tmp_path)
    with Library(tmp_path, cached) as library:
        lessons = [
            f"Lesson {i} about {'regret' if i % 3 else 'policy'} and thing {i % 97}." for i in range(3_000)
        ]
        line = '{"id":"x","kind":"insight","problem":"regret","text":"%s"}'
        library.import_lines(line % text for text in lessons)
        library.sync()
        assert lessons[77] in texts(library.query(lessons[77]))
        asked = median(lambda i: library.query(lessons[i]))
    made = Sessions(tmp_path, cached)
    memory = made.start("a")
    assert texts(memory.recall(lessons[77]))[0] == lessons[77]
    recalled = median(lambda i: memory.recall(lessons[i]))
    made.close()
    assert recalled < 0.5
    assert asked < 1.0


def median(action: object, times: int = 21) -> float:
    taken = []
    for i in range(times):
        begun = time.perf_counter()
        action(i)  # type: ignore[operator]
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[times // 2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        Path(sys.executable).with_name("chroma"),
        "run",
        "--path",
        tmp_path / "db",
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_server_is_shared_by_laboratories(tmp_path: Path, minilm: Embedder, server: str) -> None:
    question = "regrets: discounting, momentum"
    with Library(tmp_path / "1", minilm, server) as one, Library(tmp_path / "2", minilm, server) as two:
        one.add("regret", draft(DISCOUNT))
        name = two.add("regret", draft(MOMENTUM))
        assert one.sync()
        assert two.sync()
        assert set(texts(one.query(question))) == {DISCOUNT, MOMENTUM}
        assert one.pull() == 1
        assert {x.text: x.status for x in one.lessons().values()} == {
            DISCOUNT: "quarantined",
            MOMENTUM: "quarantined",
        }
        assert one.pull() == 0
        two.retire(name, "wrong")
        assert set(texts(two.query(question))) == {DISCOUNT, MOMENTUM}  # the other laboratory keeps it
        assert texts(two.query(question, only=Filter(since="2999-01-01"))) == []
        one.add("metasolver", draft("Momentum on payoffs.", games=("kuhn", "leduc")))
        assert one.sync()
        only = Filter(problem="metasolver", games=("leduc", "go"), since="2020-01-01")
        assert texts(two.query(question, only=only)) == ["Momentum on payoffs."]
        assert two._index
        two._index._lessons.add(ids=["x"], embeddings=minilm.embed(["x"]), metadatas=[{"laboratory": "x"}])
        assert two.pull() == 2  # what is no lesson is passed over


def test_a_server_that_does_not_answer_is_named(tmp_path: Path, minilm: Embedder) -> None:
    with pytest.raises(ConnectionError, match=r"No Chroma server can be used at http://127\.0\.0\.1:9"):
        Library(tmp_path, minilm, url="http://127.0.0.1:9").query("x")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://", "ftp://x", "http://x:port", "http://[x"])
def test_what_is_no_address_of_a_server_is_named(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConnectionError, match="no address of a Chroma server"):
        Library(tmp_path, Words(), url).sync()


def test_a_password_in_the_address_of_a_server_is_refused_and_not_told(tmp_path: Path) -> None:
    """It would lie in the session's record, and Chroma's client does not send it."""
    with pytest.raises(ConnectionError, match="names a user") as refused:
        Library(tmp_path, Words(), "http://me:p4ssw0rd@127.0.0.1:9").sync()
    assert "p4ss" not in str(refused.value)
