"""The experiments behind lessons, opened by the agents of a later session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.archive import Archive
from memory.embedder import Words
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.records import Baseline, Experiment, LessonDraft, Proposal, Result, program_id
from memory.store import Memory
from problems.problem import Problem
from tools.desk import Desk, Refusal, Turn
from tools.programs import read_program
from tools.recall import recall_lessons

PLAIN = program_id("plain")


def learnt(journal: Journal, memory: Memory, number: int, parent: str, score: float) -> None:
    source = f"{journal.folder.name} program {number}"
    proposal = Proposal(program_id=program_id(source), source=source, hypothesis="h", parent_id=parent)
    result = Result(status="ok", score=score, games={"g": score}, curves={"g": {"x": [1.0]}})
    made = Experiment(number=number, proposal=proposal, result=result)
    memory.learn(made, [LessonDraft(text=f"Change number {number} is told of.", kind="insight", effect=0.1)])
    journal.append("experiment", str(number), **made.model_dump(mode="json"))


@pytest.fixture
def later(tmp_path: Path) -> Iterator[Memory]:
    """A session that remembers one with three programs in a line, which has gone on since."""
    start = Baseline(
        name="plain",
        program_id=PLAIN,
        source="plain",
        result=Result(status="ok", score=1.0, games={"g": 1.0}),
    )
    record = {"problem": "regret", "run": "a", "memory": None}
    with Journal.create(tmp_path / "sessions" / "a", record) as journal:
        journal.append("baseline", "plain", **start.model_dump(mode="json"))
        memory = Memory(tmp_path, journal, Words())
        learnt(journal, memory, 1, PLAIN, 1.5)
        learnt(journal, memory, 2, program_id("a program 1"), 1.4)
        learnt(journal, memory, 3, program_id("a program 2"), 1.7)
        snapshot = take_snapshot(tmp_path, "b").model_dump(mode="json")
        learnt(journal, memory, 4, program_id("a program 1"), 9.9)
    record = {"problem": "regret", "run": "b", "memory": snapshot}
    with Journal.create(tmp_path / "sessions" / "b", record) as journal:
        yield Memory(tmp_path, journal, Words())


def desk(memory: Memory) -> Desk:
    def recall(query: str, limit: int) -> list[object]:
        return [found.lesson for found in memory.recall(query, k=limit)]

    problem = Problem("p", "", {}, "plain", {}, (), {}, {}, "", "", bytes, list, lambda a: None)  # type: ignore[arg-type, return-value]
    return Desk(
        problem, Archive(), recall, lambda source: Result(status="ok"), 1, Turn(), earlier=memory.experiment
    )  # type: ignore[arg-type]


def test_the_program_behind_a_lesson_is_read_with_what_came_of_it(later: Memory) -> None:
    room = desk(later)
    lessons = recall_lessons(room, "change number 1")["lessons"]
    (first,) = [x for x in lessons if x["text"].startswith("Change number 1")]
    assert room.turn.recalled == [x["id"] for x in lessons]
    read = read_program(room, first["supported_by"][0])
    assert (read["name"], read["source"], read["score"]) == ("a/1", "a program 1", 1.5)
    assert (read["parent_id"], read["experiment"]) == (PLAIN, None)
    assert read["improved_by"] == ["a/3"]  # through the worse a/2; a/4 came after the snapshot
    assert read_program(room, "a/3")["parent_id"] == "a/2"


@pytest.mark.parametrize("name", ["a/4", "a/99", "a/x", "b/1", "../a/1", "/etc/passwd", "a/", "a/#1"])
def test_nothing_else_can_be_opened(later: Memory, name: str) -> None:
    assert later.experiment(name) is None
    with pytest.raises(Refusal, match="There is no program"):
        read_program(desk(later), name)
