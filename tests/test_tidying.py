"""Principles drawn from several lessons, duplicates merged, what is useless or superseded retired."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.embedder import Words
from memory.journal import Journal
from memory.library import Library
from memory.records import Experiment, Lesson, LessonDraft, Proposal, Result, program_id
from memory.store import Memory
from memory.tidying import head, useless

EFFECTS = (0.2, 0.25, 0.3, 0.22, -0.05)


def learnt(home: Path, session: str, effects: tuple[float, ...], start: int = 0) -> None:
    record = {"problem": "regret", "run": session, "memory": None}
    with Journal.create(home / "sessions" / session, record) as journal:
        memory = Memory(home, journal, Words())
        for number, effect in enumerate(effects, 1):
            source = f"{session} {number}"
            proposal = Proposal(program_id=program_id(source), source=source, hypothesis="h")
            made = Experiment(number=number, proposal=proposal, result=Result(status="ok", score=1.0))
            kind = "success" if effect > 0 else "failure"
            text = (
                f"Discounting, starting from CFR+: exponent {number + start} changed the score by {effect}."
            )
            memory.learn(made, [LessonDraft(text=text, kind=kind, effect=effect, games=("leduc2",))])


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    learnt(tmp_path, "a", EFFECTS)
    with Library(tmp_path, Words()) as opened:
        yield opened


def test_several_lessons_on_one_mechanism_become_a_principle(library: Library) -> None:
    (name,) = library.tidy().principles
    principle = library.lessons()[name]
    assert principle.text.startswith("Discounting, starting from CFR+: over 5 changes")
    assert "+0.184" in principle.text
    assert (principle.kind, principle.status, len(principle.sources)) == ("success", "supported", 4)
    assert (principle.supported_by, principle.contradicted_by) == (("a/1", "a/2", "a/3", "a/4"), ("a/5",))
    (opposed,) = principle.against
    assert library.lessons()[opposed].effect == -0.05
    steps = [(event.kind, event.data.get("reason", "")) for event in library.history(name)]
    assert ("lesson_contradicted", f"disagrees: {library.lessons()[opposed].text}") in steps
    again = library.tidy()
    assert (again.merged, again.principles, again.retired) == ((), (), ())


def test_a_principle_is_superseded_by_one_that_rests_on_more(tmp_path: Path, library: Library) -> None:
    (old,) = library.tidy().principles
    learnt(tmp_path, "b", (0.4, 0.5), start=20)
    (new,) = library.tidy().principles
    assert "over 7 changes" in library.lessons()[new].text
    assert library.lessons()[old].status == "retired"
    assert f"superseded by {new}" in library.lessons()[old].reason


def test_effects_that_chance_explains_make_no_principle(tmp_path: Path) -> None:
    learnt(tmp_path, "a", (0.3, -0.2, 0.1, -0.3))
    with Library(tmp_path, Words()) as library:
        assert library.tidy().principles == ()


def test_a_rerun_does_not_know_what_was_drawn_from_its_first_run(tmp_path: Path, library: Library) -> None:
    from memory.gathering import take_snapshot

    (name,) = library.tidy().principles
    for run, known in (("a", False), ("other", True)):
        snapshot = take_snapshot(tmp_path, run).model_dump(mode="json")
        record = {"problem": "regret", "run": run, "memory": snapshot}
        with Journal.create(tmp_path / "elsewhere" / run, record) as journal:
            assert (name in Memory(tmp_path, journal, Words()).lessons()) is known


def test_what_is_shown_often_and_never_helps_is_retired() -> None:
    def lesson(name: str, shown: int, helped: int) -> Lesson:
        return Lesson(id=name, text=name, kind="insight", problem="p", shown=shown, helped=helped)

    shelf = {x.id: x for x in (lesson("bad", 20, 0), lesson("good", 60, 30), lesson("new", 3, 0))}
    assert list(useless(shelf)) == ["bad"]
    assert "helped 0 of 20" in useless(shelf)["bad"]


def test_a_head_is_short_and_ends_in_a_colon() -> None:
    assert head("Warm-up,  from CFR+: in `x`") == "Warm-up, from CFR+"
    assert head("No colon here") == head("x" * 91 + ": y") == head(": y") == ""
