"""The archive: lineage, leaderboard, and views that later experiments do not change."""

from pathlib import Path

import pytest

from memory.archive import Archive
from memory.journal import Journal
from memory.records import Baseline, Experiment, Proposal, Result, program_id


def experiment(
    number: int, source: str, parent: str | None, score: float | None, **result: object
) -> Experiment:
    proposal = Proposal(
        program_id=program_id(source), source=source, hypothesis="h", parent_id=parent and program_id(parent)
    )
    outcome = Result.model_validate(
        {"status": "ok" if score is not None else "error", "score": score, **result}
    )
    return Experiment(number=number, proposal=proposal, result=outcome)


CFR = Baseline(name="cfr", program_id=program_id("cfr"), source="cfr", result=Result(status="ok", score=1.0))
TRIED = (
    experiment(1, "a", "cfr", 2.0),
    experiment(2, "b", "a", 2.0),
    experiment(3, "c", "a", 1.5),
    experiment(4, "d", "c", None),
    experiment(5, "e", "c", 9.0, stopped_early=True),
    Experiment(number=6, proposal=None, result=Result(status="rejected")),
    experiment(7, "a", "b", 7.0),
)


def names(entries: object) -> list[str]:
    return [entry.source for entry in entries]  # type: ignore[attr-defined]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    with Journal.create(tmp_path / "s", {}) as journal:
        journal.append("baseline", "cfr", **CFR.model_dump(mode="json"))
        for tried in reversed(TRIED):
            journal.append("experiment", str(tried.number), **tried.model_dump(mode="json"))
        return Archive.of(journal)


def test_it_is_rebuilt_from_the_journal_in_order_of_number(archive: Archive) -> None:
    assert archive == Archive((CFR,), TRIED)
    grown = Archive((CFR,))
    for tried in TRIED:
        grown = grown.grown(tried)
    assert grown == archive
    assert archive.grown(experiment(1, "z", None, 3.0)) == archive


def test_leaderboard_holds_complete_scores_with_the_earliest_first_among_equals(archive: Archive) -> None:
    assert names(archive.leaderboard) == ["a", "b", "c", "cfr"]
    assert archive.best is archive.leaderboard[0]
    assert archive.best.result.score == 2.0  # the first time it was tried
    assert Archive().best is None


def test_lineage(archive: Archive) -> None:
    assert names(archive.lineage(program_id("d"))) == ["d", "c", "a", "cfr"]
    assert names(archive.children(program_id("a"))) == ["b", "c"]
    assert names(archive.descendants(program_id("cfr"))) == ["a", "b", "c", "d", "e"]
    assert archive.lineage("unknown") == archive.children("unknown") == ()


def test_a_program_that_is_its_own_ancestor_does_not_loop() -> None:
    archive = Archive((), (experiment(1, "a", "b", 1.0), experiment(2, "b", "a", 1.0)))
    assert names(archive.lineage(program_id("a"))) == ["a", "b"]
    assert names(archive.descendants(program_id("a"))) == ["b"]


def test_a_view_does_not_see_what_came_later(archive: Archive) -> None:
    early = archive.upto(2)
    assert names(early.entries.values()) == ["cfr", "a", "b"]
    assert early.experiment(3) is None
    assert archive.experiment(3) == TRIED[2]
    assert early == Archive((CFR,), TRIED[:2])


def test_improvement_on_the_parent(archive: Archive) -> None:
    assert [archive.improvement(tried) for tried in TRIED] == [1.0, 0.0, -0.5, None, None, None, 5.0]


def test_source_by_id(archive: Archive) -> None:
    assert archive.source(program_id("c")) == "c"
    with pytest.raises(KeyError):
        archive.source("unknown")
