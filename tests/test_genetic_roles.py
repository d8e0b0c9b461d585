"""The genetic researcher as a chat model: its conversations in all three roles, with the real tools."""

import json

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agents.conversation import Place, converse
from agents.genetic import GeneticResearcher
from agents.genetic.analyst import changes_in_words
from agents.genetic.critic import _alike, horizon_of
from agents.graph import run_experiment
from agents.state import Bench
from memory.archive import Archive
from memory.records import Baseline, Lesson, Result, program_id
from problems.regret import PROBLEM
from tests import small
from tools.desk import Desk, Draft, Turn
from tools.registry import tools_for

CFR_PLUS = PROBLEM.baselines["cfr_plus"]
SQUARED = CFR_PLUS.replace("alpha=t)", "alpha=t**2)")
SCORES = {"cfr_plus": 2.0, "dcfr": 2.5, "pcfr_plus": 3.0}
ARCHIVE = Archive(
    tuple(
        Baseline(
            name=name,
            program_id=program_id(PROBLEM.baselines[name]),
            source=PROBLEM.baselines[name],
            result=Result(status="ok", score=score, games={"leduc2": score, "kuhn3": score}),
        )
        for name, score in SCORES.items()
    )
)
PARENT = program_id(CFR_PLUS)


OK = Result(status="ok")


def desk(drafts=(), smoke=OK, lessons=()):
    return Desk(
        problem=PROBLEM,
        archive=ARCHIVE,
        recall=lambda query, limit: list(lessons)[:limit],
        smoke=lambda source: smoke,
        experiment=7,
        turn=Turn(drafts={draft.program_id: draft for draft in drafts}),
    )


def play(role, head, at, seed=0):
    """One turn: what was submitted, and the log of replies and tool calls."""
    recorded = small.remembered()
    brief = (
        f"```json\n{json.dumps({'role': role, 'problem': 'regret', 'experiment': 7, **head})}\n```\n\nProse."
    )
    made = converse(GeneticResearcher(seed=seed), Place(7, role), PROBLEM.statement, brief, at, recorded)
    called = [done["name"] for (kind, _), done in recorded.kept.items() if kind == "tool"]
    return made, called


def propose(at=None, seed=0, **more):
    ids = [program_id(PROBLEM.baselines[name]) for name in ("pcfr_plus",)]
    head = {"parent_id": PARENT, "inspiration_ids": ids, "lessons": [], "draft_id": None, "objections": []}
    return play("proposer", head | more, at or desk(), seed)


def criticise(source, smoke=OK, **more):
    draft = Draft(program_id(source), source)
    head = {
        "program_id": draft.program_id,
        "parent_id": PARENT,
        "hypothesis": "Squaring the weight of the average raises the score; refuted if it does not.",
        "operator": "bend_time",
        "revisions_left": 2,
    }
    return play("critic", head | more, desk([draft], smoke))


def analyse(result, source=SQUARED, lessons=(), **more):
    draft = Draft(program_id(source), source, result, parent_id=PARENT)
    head = {
        "program_id": draft.program_id,
        "parent_id": PARENT,
        "hypothesis": "Squaring the weight raises the score.",
        "operator": "bend_time",
        "lessons": [],
    }
    return play("analyst", head | more, desk([draft], lessons=lessons))[0]


def test_the_proposer_reads_tries_and_submits():
    made, called = propose()
    assert called[0] == "list_programs"
    assert called[-3:] == ["check_program", "smoke_run", "submit_program"]
    assert made.source not in PROBLEM.baselines.values()
    assert not PROBLEM.check(made.source)
    assert made.operator
    assert "is expected to" in made.hypothesis
    assert "cfr_plus above 2.000" in made.hypothesis
    assert "refuted if" in made.hypothesis


def test_the_same_seed_proposes_the_same_and_others_differ():
    made = [propose(seed=seed)[0] for seed in (1, 1, 2, 3)]
    assert made[0] == made[1]
    assert len({proposal.source for proposal in made}) == 3


def test_a_draft_that_fails_is_replaced_until_patience_ends():
    failing = desk(smoke=Result(status="error", message="line 3: nan"))
    made, called = propose(failing)
    assert called.count("smoke_run") == 6
    assert called[-1] == "submit_program"
    assert made.source


def test_the_proposer_acts_on_objections():
    dead = SQUARED.replace("def next_policy(self):", "def next_policy(self):\n        self.idle = 1.0")
    draft = Draft(program_id(dead), dead)
    made, _ = propose(
        desk([draft]), draft_id=draft.program_id, objections=["Parts of it have no effect: simplify it."]
    )
    assert made.operator == "delete_term"
    assert made.source != dead


def test_a_listed_program_that_is_no_rule_does_no_harm():
    broken = Baseline(
        name="odd", program_id=program_id("x = ("), source="x = (", result=Result(status="ok", score=9.0)
    )
    at = desk()
    odd = Desk(**{**vars(at), "archive": Archive((*ARCHIVE.baselines, broken))})
    made, _ = propose(odd, inspiration_ids=[broken.program_id])
    assert made.source


def test_the_critic_approves_what_is_new_and_sound():
    verdict, called = criticise(SQUARED)
    assert verdict.decision == "approve"
    assert called[:4] == ["check_program", "nearest_programs", "read_program", "smoke_run"]
    assert "nearest relative" in verdict.reasons


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (SQUARED.replace("alpha=t**2", "alpha=t if t > 600 else 0"), "horizon"),
        (SQUARED.replace("alpha=t**2", "alpha=t**2 if self.infosets.count > 20 else t"), "size"),
        (
            SQUARED.replace("def next_policy(self):", "def next_policy(self):\n        self.idle = 2.0"),
            "no effect",
        ),
        (SQUARED.replace("next_policy", "policy"), "static check"),
    ],
)
def test_the_critic_sends_back_what_is_unsound(source, word):
    verdict, _ = criticise(source)
    assert verdict.decision == "revise"
    assert word in verdict.reasons


def test_the_critic_rejects_duplicates():
    verdict, _ = criticise(CFR_PLUS.replace("regrets", "total"))
    assert verdict.decision == "reject"
    assert PARENT in verdict.reasons


def test_all_but_equal_constants_are_no_novelty():
    close = PROBLEM.baselines["dcfr"].replace("ALPHA = 1.5", "ALPHA = 1.501")
    assert criticise(close)[0].decision == "reject"
    assert (
        "dcfr, which was evaluated already, in constants alone, and by less than 1%"
        in criticise(close)[0].reasons
    )
    far = PROBLEM.baselines["dcfr"].replace("ALPHA = 1.5", "ALPHA = 1.9")
    assert criticise(far)[0].decision == "approve"
    assert [_alike(0.99, other) for other in (0.9900001, 0.995, 0.98)] == [True, False, False]
    assert [_alike(0.5, other) for other in (0.502, 0.51)] == [True, False]
    assert [_alike(1.5, other) for other in (1.51, 1.6)] == [True, False]


def test_when_no_revision_is_left_only_broken_programs_are_dropped():
    broken = Result(status="error", message="nan")
    assert criticise(SQUARED, broken)[0].decision == "revise"
    assert criticise(SQUARED, broken, revisions_left=0)[0].decision == "reject"
    verdict, _ = criticise(SQUARED, hypothesis="Try.", revisions_left=0)
    assert verdict.decision == "approve"
    assert "on record" in verdict.reasons


def test_the_horizon_is_read_from_the_statement():
    assert horizon_of(PROBLEM.statement) == 1000
    assert horizon_of("no number here") == 0


def test_the_analyst_reports_success_with_figures():
    analysis = analyse(Result(status="ok", score=2.3, games={"leduc2": 2.55, "kuhn3": 2.05}))
    (lesson,) = analysis.lessons
    assert lesson.kind == "success"
    assert lesson.effect == pytest.approx(0.3)
    assert lesson.games == ("leduc2", "kuhn3")
    assert "leduc2 +0.55" in lesson.text
    assert "`average += t ** 2 * realisation` for `average += t * realisation`" in lesson.text
    assert "starting from CFR+" in lesson.text
    assert analysis.explanation.startswith("The hypothesis held.")


@pytest.mark.parametrize(
    ("games", "kind", "verdict"),
    [
        ({"leduc2": 1.5, "kuhn3": 1.9}, "failure", "refuted"),
        ({"leduc2": 2.5, "kuhn3": 1.2}, "insight", "refuted"),
        ({"leduc2": 2.005, "kuhn3": 2.0}, "open_question", "neither"),
    ],
)
def test_the_analyst_tells_kinds_of_results_apart(games, kind, verdict):
    analysis = analyse(Result(status="ok", score=sum(games.values()) / 2, games=games))
    assert analysis.lessons[0].kind == kind
    assert verdict in analysis.explanation


def test_a_program_that_failed_teaches_why():
    analysis = analyse(Result(status="timeout", message="kuhn3: 60 s were not enough"))
    assert "60 s were not enough. Changed: " in analysis.explanation
    assert analysis.lessons[0].kind == "failure"
    assert analysis.lessons[0].effect is None
    assert "60 s" in analysis.lessons[0].text


def test_earlier_lessons_are_confirmed_and_contradicted():
    text = (
        "Another function of time, starting from DCFR: in `accumulate_average`, writing `a` for `b` helped."
    )
    lessons = [
        Lesson(id="same", text=text, kind="success", problem="regret", effect=0.2),
        Lesson(id="other", text=text, kind="failure", problem="regret", effect=-0.2),
        Lesson(
            id="aside",
            text="Discounting: in `accumulate_regret`.",
            kind="success",
            problem="regret",
            effect=1.0,
        ),
    ]
    analysis = analyse(Result(status="ok", score=2.5, games={"leduc2": 2.5}), lessons=lessons)
    assert analysis.lessons[0].supports == ("same",)
    assert analysis.lessons[0].contradicts == ("other",)


def test_changes_are_told_from_the_trees():
    assert changes_in_words(CFR_PLUS, CFR_PLUS) == "changing nothing but the initial state"
    dcfr = PROBLEM.baselines["dcfr"]
    told = changes_in_words(dcfr, dcfr.replace("GAMMA = 2.0", "GAMMA = 3.0"))
    new, old = "`average += t ** 3.0 * realisation`", "`average += t ** 2.0 * realisation`"
    assert told == f"in `accumulate_average`, writing {new} for {old}"


def session(seed, experiments=6):
    """A whole session on the toy problem, and every reply given in it."""
    recorded = small.remembered()
    evaluator, archive, evaluate = small.judged(recorded, small.InProcess())
    for number in range(1, experiments + 1):
        model = GeneticResearcher(seed=seed)
        bench = Bench(
            problem=small.PROBLEM,
            archive=archive,
            models={"proposer": model, "critic": model, "analyst": model},
            recorded=recorded,
            recall=lambda query, limit: [],
            smoke=evaluator.smoke,
            evaluate=evaluate,
            seed=seed,
        )
        archive = archive.grown(run_experiment(number, bench))
    replies = [done["text"] for (kind, _), done in recorded.kept.items() if kind == "reply"]
    return archive, replies


def test_whole_experiments_on_another_problem():
    archive, replies = session(0)
    again, said = session(0)
    assert archive.experiments == again.experiments
    assert replies == said
    assert all(experiment.proposal for experiment in archive.experiments)
    assert sum(experiment.result.status == "ok" for experiment in archive.experiments) >= 5
    assert session(1)[0].experiments != archive.experiments


def test_a_model_without_a_role_or_a_brief_says_so():
    model = GeneticResearcher(seed=0)
    with pytest.raises(ValueError, match="submit_program"):
        model.invoke([HumanMessage(content="Hello.")])
    with pytest.raises(ValueError, match="brief"):
        model.bind_tools(tools_for("proposer", desk())).invoke([SystemMessage(content="Propose.")])
