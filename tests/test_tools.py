"""What the tools tell a role, also when the role is wrong."""

import itertools
import json
import time
from dataclasses import replace

import pytest
from normal_form import normal_form
from small import BROKEN, GAMES, HOPELESS, MOMENTUM, PLAIN, PROBLEM, SLOW, InProcess, judged, remembered

from memory.archive import Archive
from memory.records import Experiment, Lesson, Proposal, Result, program_id
from problems import PROBLEMS
from problems.syntax import reading
from sandbox.job import Limits, Outcome
from tools import novelty
from tools.desk import Desk, Turn
from tools.evaluation import Evaluator, bar_of
from tools.registry import TOOLS, tools_for

LESSON = Lesson(id="l1", text="Momentum helps.", kind="insight", problem="small", supported_by=("s/1", "s/2"))
RENAMED = (
    MOMENTUM.replace("velocity", "drift")
    .replace("(self, gradient)", "(self, g)")
    .replace("* gradient", "* g")
)


@pytest.fixture
def desk():
    evaluator, archive, evaluate = judged(remembered(), InProcess())
    proposal = Proposal(
        program_id=program_id(MOMENTUM), source=MOMENTUM, hypothesis="inertia", parent_id=program_id(PLAIN)
    )
    archive = archive.grown(Experiment(number=1, proposal=proposal, result=evaluate(MOMENTUM)))
    return Desk(PROBLEM, archive, lambda query, limit: [LESSON][:limit], evaluator.smoke, 2, Turn())


def use(desk, tool, role=None, **arguments):
    role = role or next(role for role, tools in TOOLS.items() if tool in [t.__name__ for t in tools])
    found = next(t for t in tools_for(role, desk) if t.name == tool)
    return json.loads(found.invoke(arguments))


def test_programs_are_listed_best_first_with_their_scores_per_game(desk):
    listed = use(desk, "list_programs")["programs"]
    assert {p["program_id"] for p in listed} == {program_id(s) for s in (PLAIN, SLOW, MOMENTUM)}
    assert [p["score"] for p in listed] == sorted((p["score"] for p in listed), reverse=True)
    assert all(set(p["games"]) == set(GAMES) for p in listed)
    assert len(use(desk, "list_programs", limit=1)["programs"]) == 1


@pytest.mark.parametrize("limit", [10**400, -(10**400)])
def test_a_number_beyond_all_bounds_is_taken_as_it_is_meant(desk, limit):
    """Raised again from the record at each resumption, an exception would end the session for good."""
    listed = use(desk, "list_programs", limit=limit)["programs"]
    assert len(listed) == (3 if limit > 0 else 1)
    assert use(desk, "nearest_programs", source=MOMENTUM, limit=limit)["nearest"]


def test_arguments_that_nobody_thought_of_come_back_as_an_error(desk):
    def recall(query, limit):
        return [LESSON][int(query)]

    desk = replace(desk, recall=recall)
    assert "cannot do that with these arguments" in use(desk, "recall_lessons", query="five")["error"]


def test_edits_without_measure_are_refused_and_cost_little(desk):
    long = desk.draft("\n".join(f"x{i} = {i}" for i in range(2000)))
    misquoted = "\n".join(f"x{i} = {i + 1}" for i in range(1000))
    began = time.process_time()
    assert "does not occur" in edit(desk, long, misquoted, "")
    assert time.process_time() - began < 5
    assert "far too long" in edit(desk, program_id(PLAIN), "0.1", "1" * 200_000)


def edit(desk, name, search, replacement):
    edits = [{"search": search, "replace": replacement}]
    return use(desk, "edit_program", program_id=name, edits=edits)["error"]


def test_a_flood_of_lessons_is_refused(desk):
    flood = [{"text": f"Lesson {n}.", "kind": "insight"} for n in range(21)]
    assert "at most 20" in use(desk, "submit_analysis", explanation="So it is.", lessons=flood)["error"]
    assert use(desk, "submit_analysis", explanation="So it is.", lessons=flood[:20]) == {"lessons": 20}


def test_a_program_is_read_by_id_and_a_baseline_also_by_name(desk):
    assert use(desk, "read_program", program_id=program_id(MOMENTUM))["source"] == MOMENTUM
    assert use(desk, "read_program", program_id="plain")["source"] == PLAIN
    assert use(desk, "read_program", program_id="#1")["hypothesis"] == "inertia"
    assert "no program 'abc'" in use(desk, "read_program", program_id="abc")["error"]


def test_curves_and_results_tell_no_time_of_the_clock(desk):
    curves = use(desk, "read_curves", program_id="plain")["curves"]
    assert len(curves["bowl_1"]["gap"]) == PROBLEM.settings["iterations"]
    result = use(desk, "read_result", program_id="plain")
    assert result["status"] == "ok"
    assert "seconds" not in json.dumps(result) + json.dumps(curves)


def test_comparison_is_second_minus_first(desk):
    compared = use(desk, "compare_programs", first_id="slow", second_id="plain")
    assert compared["score_difference"] > 0
    assert compared["score_difference"] == pytest.approx(sum(compared["game_differences"].values()) / 4)
    assert "+    RATE = 0.1" in compared["diff"]


def test_nearest_is_the_one_that_differs_in_a_constant(desk):
    nearest = use(desk, "nearest_programs", source=PLAIN.replace("0.1", "0.2"), limit=3)["nearest"]
    assert nearest[0]["same_structure"]
    assert nearest[0]["similarity"] == 1.0
    assert nearest[-1]["program_id"] == program_id(MOMENTUM)
    assert not nearest[-1]["same_structure"]


def test_a_check_names_faults_and_twins(desk):
    checked = use(desk, "check_program", source="class Rule:\n    pass\n")
    assert checked["faults"] == ["`step` is missing"]
    assert checked["duplicate_of"] is None
    assert use(desk, "check_program", source=RENAMED)["duplicate_of"] == program_id(MOMENTUM)


def test_a_smoke_run_says_why_a_program_fails_and_gives_no_score(desk):
    run = use(desk, "smoke_run", source=BROKEN)
    assert run["status"] == "error"
    assert "SPEED" in run["message"]
    assert "score" not in run
    assert use(desk, "smoke_run", source="def f(:")["status"] == "rejected"


def test_an_edit_makes_a_program_that_can_be_submitted_by_its_id(desk):
    edits = [
        {"search": "RATE = 0.1", "replace": "RATE = 0.2"},
        {"search": "gradient\n", "replace": "gradient * 2\n"},
    ]
    edited = use(desk, "edit_program", program_id="plain", edits=edits)
    assert "RATE = 0.2" in edited["source"]
    assert "gradient * 2" in edited["source"]
    assert use(desk, "submit_program", source=edited["program_id"], hypothesis="faster") == {
        "program_id": edited["program_id"]
    }
    assert desk.turn.submission.source == edited["source"]


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ("RATE = 0.3", "closest passage, line 4"),
        ("gradient", "occurs 2 times (lines 6, 7)"),
        ("", "`search` is empty"),
        ("nothing like this at all", "quote it exactly"),
    ],
)
def test_an_edit_that_does_not_fit_says_where_it_nearly_does(desk, search, told):
    answer = use(desk, "edit_program", program_id="plain", edits=[{"search": search, "replace": "x"}])
    assert told in answer["error"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"source": PLAIN.replace("0.1", "0.3"), "hypothesis": " "}, "hypothesis is empty"),
        ({"source": "x = 1", "hypothesis": "h"}, "`Rule` is missing"),
        ({"source": RENAMED, "hypothesis": "h"}, "same as"),
        ({"source": "", "hypothesis": "h"}, "program is empty"),
        ({"source": "0123456789ab", "hypothesis": "h"}, "no program"),
        ({"source": PLAIN}, "`hypothesis`: Field required"),
        ({"source": PLAIN, "hypothesis": "h" * 5000}, "at most 4000 characters"),
        ({"source": "x" * 200_000, "hypothesis": "h"}, "far too long"),
        ({"source": 7, "hypothesis": "h"}, "`source`"),
        ({"source": PLAIN, "hypothesis": "h", "extra": 1}, "`extra`"),
    ],
)
def test_what_cannot_be_submitted_is_explained_and_the_turn_goes_on(desk, arguments, told):
    assert told in use(desk, "submit_program", **arguments)["error"]
    assert desk.turn.submission is None


def test_verdict_and_analysis_end_a_turn(desk):
    assert "decision" in use(desk, "give_verdict", decision="maybe", reasons="r")["error"]
    assert use(desk, "give_verdict", decision="revise", reasons="too long")["decision"] == "revise"
    assert desk.turn.submission.reasons == "too long"
    lessons = [{"text": "Inertia helps.", "kind": "insight", "games": ["bowl_8"], "effect": 0.2}]
    assert "kind" in use(desk, "submit_analysis", explanation="e", lessons=[{"text": "t"}])["error"]
    assert use(desk, "submit_analysis", explanation="e", lessons=lessons) == {"lessons": 1}
    assert desk.turn.submission.lessons[0].games == ("bowl_8",)


def test_lessons_come_with_their_evidence(desk):
    assert use(desk, "recall_lessons", query="momentum?")["lessons"][0]["supported_by"] == ["s/1", "s/2"]
    assert "empty" in use(desk, "recall_lessons", query=" ")["error"]


def test_every_tool_describes_itself_and_its_arguments(desk):
    for role in TOOLS:
        for tool in tools_for(role, desk):
            schema = tool.args_schema.model_json_schema()
            assert len(tool.description) > 20
            assert all("description" in field for field in schema["properties"].values()), tool.name


def test_programs_are_the_same_apart_from_names_prose_and_layout():
    commented = MOMENTUM.replace("    KEPT", "    # why\n\n    KEPT").replace(
        "class Rule:", 'class Rule:\n    "doc"'
    )
    assert novelty.same_program(MOMENTUM, RENAMED)
    assert novelty.same_program(MOMENTUM, commented)
    assert not novelty.same_program(PLAIN, SLOW)
    assert novelty.same_structure(PLAIN, SLOW)
    assert novelty.same_structure(PLAIN, PLAIN.replace("0.1", "-2"))
    assert not novelty.same_structure(PLAIN, MOMENTUM)


ODD = """
import math
class Rule:
    'prose'
    def step(self, gradient: "a note", *more, rate=-0.5, **rest) -> float:
        "prose"
        self.kept = {**rest, 1: -(-2), "x": +None, -True: u"text"}
        match gradient:
            case None: pass
            case {"a": 1, **others}: "prose"
            case [1, -2, *tail] if not 3: return lambda x: f"{x!r:>{3}}" + -"a"
        return step(-gradient, ~self.kept, -math.inf, 1j)
async def step(own, /, *, other: int = 1): yield -own; self.kept = Rule.kept
"""


def test_the_normal_form_is_what_rewriting_the_tree_step_by_step_gives():
    sources = [PLAIN, MOMENTUM, RENAMED, ODD, "", "'prose'", *PROBLEMS["regret"].baselines.values()]
    assert len(sources) > 10
    for source in sources:
        nodes = reading(source)
        writer = novelty._Writer(novelty._own_names(nodes))
        writer.write(nodes[0])
        assert "".join(writer.parts) == normal_form(source, writer.own)[1]
    variants = [ODD, ODD.replace("-2)", "2)"), ODD.replace("-0.5", "0.5"), ODD.replace('-"a"', '"a"')]
    variants += [ODD.replace("1j", "2j"), ODD.replace("not 3", "not 3.0"), ODD.replace("gradient", "g")]
    for one, other in itertools.product(variants, variants):
        own = [novelty._own_names(reading(source)) for source in (one, other)]
        alike = normal_form(one, own[0]), normal_form(other, own[1])
        assert novelty.same_program(one, other) == (alike[0][0] == alike[1][0])
        assert novelty.same_structure(one, other) == (alike[0][1] == alike[1][1])


def test_methods_of_the_interface_keep_their_names():
    """Two rules that do the same in different methods are different rules."""
    one = "class Rule:\n  def first(self, x):\n    return x\n  def second(self, x):\n    return -x\n"
    other = one.replace("first", "third").replace("second", "first").replace("third", "second")
    assert not novelty.same_program(one, other)


def test_similarity_grows_with_what_is_shared():
    assert novelty.similarity(PLAIN, SLOW) == 1.0
    assert 0.0 < novelty.similarity(PLAIN, MOMENTUM) < 1.0
    assert novelty.similarity(PLAIN, "def f(:") == 0.0
    assert novelty.similarity("x = " + "+".join(["1"] * 5000), PLAIN) == 0.0


def test_an_evaluation_plays_cheapest_first_and_nothing_twice():
    sandbox = InProcess()
    evaluator, archive, evaluate = judged(remembered(), sandbox)
    sandbox.runs.clear()
    result = evaluate(MOMENTUM)
    assert [game for _, game, _ in sandbox.runs] == ["bowl_1", *GAMES]
    assert evaluate(MOMENTUM) == result
    assert len(sandbox.runs) == 1 + len(GAMES)
    assert result.score == pytest.approx(sum(result.games.values()) / 4)
    assert result.details["final_gap"] > 0
    assert set(result.curves["bowl_8"]) == {"iterations", "gap"}


def test_an_evaluation_ends_at_the_first_failure():
    sandbox = InProcess()
    evaluator, _, evaluate = judged(remembered(), sandbox)
    late = PLAIN.replace("return -self", "assert abs(gradient) < 3\n        return -self")
    result = evaluate(late)
    assert result.status == "error"
    assert result.message.startswith("bowl_4: line 7")
    assert set(result.games) == {"bowl_1", "bowl_2"}
    assert result.score is None
    assert evaluate(BROKEN).games == {}
    assert evaluate("x = 1").status == "rejected"


def test_a_hopeless_program_stops_and_ranks_below_every_baseline():
    sandbox = InProcess()
    _, archive, evaluate = judged(remembered(), sandbox)
    result = evaluate(HOPELESS)
    assert result.stopped_early
    assert set(result.games) == {"bowl_1", "bowl_2"}
    assert result.score < min(entry.result.score for entry in archive.entries.values())


def test_a_specialist_is_not_stopped():
    _, archive, evaluate = judged(remembered(), InProcess())
    bar = bar_of([baseline.result for baseline in archive.baselines])
    good_on_second = {"bowl_1": -9.0, "bowl_2": bar.worst["bowl_2"] + 0.1}
    assert not bar.stops(good_on_second)
    assert not bar.stops({"bowl_1": -9.0})
    assert bar.stops({"bowl_1": -9.0, "bowl_2": -9.0})
    assert not bar_of([]).stops({"bowl_1": -9.0, "bowl_2": -9.0})


def test_an_empty_archive_has_nothing_to_list():
    desk = Desk(PROBLEM, Archive(), lambda query, limit: [], lambda source: None, 1, Turn())
    assert use(desk, "list_programs") == {"programs": []}
    assert use(desk, "nearest_programs", source=PLAIN)["nearest"] == []


def test_an_analyst_may_ask_for_one_ablation(desk):
    asked = []

    def evaluate(source):
        asked.append(source)
        return Result(status="ok", score=1.5, games={"bowl_1": 2.0})

    desk = replace(desk, evaluate=evaluate)
    (tool,) = [tool for tool in tools_for("analyst", desk) if tool.name == "run_ablation"]
    edits = [{"search": "0.1", "replace": "0.123"}]
    wanted = {"program_id": "plain", "edits": edits, "question": "Is it the rate?"}
    assert "question is empty" in tool.invoke({**wanted, "question": " "})
    assert "does not occur" in tool.invoke({**wanted, "edits": [{"search": "zz", "replace": ""}]})
    made = json.loads(tool.invoke(wanted))
    plain = desk.find("plain").result
    assert made["score_difference"] == pytest.approx(1.5 - plain.score)
    assert made["game_differences"] == {"bowl_1": pytest.approx(2.0 - plain.games["bowl_1"])}
    assert "had your ablation" in tool.invoke(wanted)
    assert asked == [PLAIN.replace("0.1", "0.123")]
    (last,) = [tool for tool in tools_for("analyst", desk) if tool.name == "submit_analysis"]
    last.invoke({"explanation": "It is the rate.", "lessons": []})
    assert desk.turn.submission.ablation.question == "Is it the rate?"
    assert desk.turn.submission.ablation.result.score == 1.5


def test_a_variant_that_was_tried_is_not_evaluated_again(desk):
    desk = replace(desk, evaluate=lambda source: pytest.fail("evaluated"))
    (tool,) = [tool for tool in tools_for("analyst", desk) if tool.name == "run_ablation"]
    edits = [{"search": "RATE = 0.1", "replace": "RATE = 0.01"}]
    made = json.loads(tool.invoke({"program_id": "plain", "edits": edits, "question": "slower?"}))
    assert made["already_known_as"] == program_id(SLOW)


def test_a_fence_around_a_program_is_taken_off(desk):
    (tool,) = [tool for tool in tools_for("proposer", desk) if tool.name == "check_program"]
    fenced = json.loads(tool.invoke({"source": f"```python\n{PLAIN}```"}))
    assert fenced["duplicate_of"] == program_id(PLAIN)


def test_a_patient_evaluation_has_no_patience_with_the_smoke_run():
    class Clock:
        def run(self, job):
            given.append((job.game, job.limits.wall_seconds, job.limits.cpu_seconds))
            return Outcome(status="timeout" if job.limits.wall_seconds < 3600 else "ok")

    given = []
    patient = Evaluator(PROBLEM, Clock(), remembered(), Limits(wall_seconds=3600, cpu_seconds=3600))
    assert patient.evaluate("for ever", GAMES).status == "rejected"
    assert patient.evaluate(PLAIN, GAMES).status == "timeout"
    assert given == [(PROBLEM.smoke[0], PROBLEM.seconds, PROBLEM.seconds)]
