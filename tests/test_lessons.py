"""The life of a lesson, from events alone."""

from typing import Any

import pytest

from memory.events import Event
from memory.lessons import Evidence, added, clean, cleaned, fold, lesson_id, relation, run_identity
from memory.records import Lesson, LessonDraft

TEXT = "Discounting early regrets speeds up convergence."
ID = lesson_id("regret", "insight", TEXT)


def evidence(experiment: str, program: str, run: str = "r1", effect: float | None = None) -> dict[str, Any]:
    return Evidence(experiment=experiment, program_id=program, run=run, effect=effect).model_dump(mode="json")


def birth(first: dict[str, Any] | None, text: str = TEXT, **more: Any) -> tuple[str, dict[str, Any]]:
    draft = LessonDraft(text=text, kind="insight", sources=more.pop("sources", ()))
    piece = Evidence.model_validate(first) if first else None
    return "lesson_added", added("regret", draft, piece, session="s", against=more.pop("against", []))


def support(piece: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "lesson_supported", {"id": ID, "evidence": piece, "reason": "agrees"}


def counter(piece: dict[str, Any], by: str = "other") -> tuple[str, dict[str, Any]]:
    return "lesson_contradicted", {"id": ID, "evidence": piece, "reason": "disagrees", "by": by}


def known(*events: tuple[str, dict[str, Any]], name: str = ID) -> Lesson:
    numbered = [
        Event(n, f"2026-01-01T00:00:{n:02d}Z", kind, None, data) for n, (kind, data) in enumerate(events, 1)
    ]
    return fold(numbered)[name]


def test_born_in_quarantine_and_supported_by_a_second_experiment() -> None:
    first = birth(evidence("s/1", "p1", effect=0.1))
    assert known(first).status == "quarantined"
    lesson = known(first, support(evidence("s/2", "p2", effect=0.3)))
    assert lesson.status == "supported"
    assert lesson.supported_by == ("s/1", "s/2")
    assert lesson.effect == pytest.approx(0.2)
    assert lesson.spread == pytest.approx(0.02**0.5)
    assert lesson.session == "s"


@pytest.mark.parametrize(
    "again",
    [
        evidence("s/1", "p1"),
        evidence("t/9", "p1", run="r2"),
        evidence("rerun/1", "p9"),
    ],
    ids=["the same experiment", "the same program in another session", "the same experiment of a rerun"],
)
def test_repeats_are_no_evidence(again: dict[str, Any]) -> None:
    lesson = known(birth(evidence("s/1", "p1", effect=0.1)), support(again))
    assert lesson.status == "quarantined"
    assert lesson.supported_by == ("s/1",)


def test_what_a_rerun_found_can_still_be_found_independently() -> None:
    rerun, other = support(evidence("rerun/1", "p2")), support(evidence("t/7", "p2", run="r2"))
    assert known(birth(evidence("s/1", "p1")), rerun, other).supported_by == ("s/1", "t/7")


def test_contradiction_keeps_both_sides_and_links_them() -> None:
    events = [birth(evidence("s/1", "p1")), counter(evidence("s/2", "p2"), by="b")]
    lesson = known(*events)
    assert lesson.status == "contradicted"
    assert (lesson.supported_by, lesson.contradicted_by, lesson.against) == (("s/1",), ("s/2",), ("b",))
    more = [support(evidence("s/3", "p3")), support(evidence("s/4", "p4"))]
    assert known(*events, *more).status == "supported"
    assert "1 against" in known(*events, *more).reason
    against = counter(evidence("rerun/2", "p2"))
    assert known(*events, *more, against).contradicted_by == ("s/2",)


def test_merged_lessons_give_their_evidence_to_the_one_that_stays() -> None:
    other = "Down-weighting early regrets is faster."
    second = birth(evidence("t/1", "p2", run="r2"), text=other)
    into = {"id": lesson_id("regret", "insight", other), "into": ID, "reason": "worded alike"}
    events = [birth(evidence("s/1", "p1")), second, ("lesson_merged", into)]
    assert known(*events).status == "supported"
    assert known(*events, name=into["id"]).status == "retired"
    later = ("lesson_supported", {"id": into["id"], "evidence": evidence("u/1", "p3", "r3"), "reason": ""})
    assert known(*events, later).supported_by == ("s/1", "t/1", "u/1")


def test_merging_in_a_circle_does_not_loop() -> None:
    other = birth(evidence("t/1", "p2", run="r2"), text="b")
    name = other[1]["id"]
    circle = [("lesson_merged", {"id": a, "into": b, "reason": ""}) for a, b in ((ID, name), (name, ID))]
    assert known(birth(None), other, *circle).supported_by == ("t/1",)


def test_a_principle_rests_on_its_sources() -> None:
    principle = birth(None, text="Early iterates deserve less weight.", sources=(ID,))
    events = [birth(evidence("s/1", "p1")), principle, support(evidence("s/2", "p2"))]
    lesson = known(*events, name=principle[1]["id"])
    assert lesson.sources == (ID,)
    assert lesson.status == "supported"


def test_retired_with_a_reason_until_it_is_added_again() -> None:
    events = [birth(evidence("s/1", "p1")), ("lesson_retired", {"id": ID, "reason": "superseded"})]
    assert (known(*events).status, known(*events).reason) == ("retired", "superseded")
    assert known(*events, support(evidence("s/2", "p2"))).status == "retired"
    assert known(*events, birth(evidence("s/3", "p3"))).status == "supported"


def test_usefulness_counts_each_proposal_once_over_reruns() -> None:
    def credit(run: str, number: int, improved: bool) -> tuple[str, dict[str, Any]]:
        data = {"lessons": [ID], "run": run, "number": number, "improved": improved, "difference": 0.0}
        return "lesson_credited", data

    lesson = known(
        birth(None), credit("r", 1, True), credit("r", 1, True), credit("r", 2, False), credit("q", 1, True)
    )
    assert (lesson.shown, lesson.helped) == (3, 2)


def test_events_about_a_lesson_that_nobody_added_are_passed_over() -> None:
    assert fold([Event(1, "", "lesson_supported", None, {"id": "x", "evidence": None})]) == {}


def test_ids_depend_on_what_is_said_only() -> None:
    assert lesson_id("regret", "insight", " Discounting  EARLY regrets speeds up convergence.\n") == ID
    assert lesson_id("regret", "failure", TEXT) != ID
    assert run_identity("regret", 1, {"a": 1, "b": 2}) == run_identity("regret", 1, {"b": 2, "a": 1})
    assert run_identity("regret", 2, {}) != run_identity("regret", 1, {})


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Momentum on regrets diverges.", "Adding momentum to the regrets diverges.", "same"),
        ("Momentum on the regrets diverges.", "Momentum on regrets diverged", "same"),
        ("Changing ALPHA from 1.5 to 2.5 helps.", "Changing ALPHA from 1.5 to 0.5 helps.", "other"),
        ("Changing ALPHA helps.", "Changing BETA helps.", "other"),
        ("Flooring regrets helps.", "Not flooring regrets helps.", "other"),
        ("Flooring regrets helps.", "Flooring regrets hurts.", "opposite"),
        ("It helps in small games.", "It helps in large games.", "other"),
        ("Replacing add by multiply was worse.", "Replacing add by subtract was worse.", "other"),
        ("Squared weights in accumulate_average improved the score.",
         "The score improved with squared weights in accumulate_average.", "same"),
    ],
)  # fmt: skip
def test_what_a_near_wording_says(first: str, second: str, expected: str) -> None:
    lesson = Lesson(id="x", text=first, kind="insight", problem="p")
    assert relation(lesson, LessonDraft(text=second, kind="insight")) == expected


def test_the_same_words_with_an_effect_of_the_other_sign_contradict() -> None:
    lesson = Lesson(id="x", text=TEXT, kind="insight", problem="p", effect=0.2)
    assert relation(lesson, LessonDraft(text=TEXT, kind="insight", effect=-0.1)) == "opposite"
    told = Lesson(id="x", text="Momentum on regrets", kind="success", problem="p")
    assert relation(told, LessonDraft(text="Momentum on regrets", kind="failure")) == "opposite"


def test_hostile_text_becomes_plain_data() -> None:
    nasty = "\x1b[31mred\x1b]0;title\x07 \x00\u202etxt\u200b\U000e0041 ok\r\n\n\n\n\nend\x9b2J"
    assert clean(nasty, 100) == "red txt ok\n\nend2J"
    assert clean("می\u200cخواهم 学习 ñ 👍", 100) == "می\u200cخواهم 学习 ñ 👍"
    assert len(clean("x" * 10_000_000, 1000)) == 1000
    assert clean("x" * 1001, 1000).endswith("…")
    assert cleaned(LessonDraft(text="a\x00", kind="insight", games=("g\x1b[0m",) * 99)).games == ("g",) * 50
