"""Whole experiments: scripted researchers, real tools, a real journal, a small problem."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage
from small import MOMENTUM, PLAIN, PROBLEM, InProcess, judged

from agents.brief import write_brief
from agents.graph import experiment_graph, run_experiment
from agents.scripted import ScriptedModel, calls
from agents.state import Bench
from memory.archive import Archive
from memory.journal import Journal
from memory.records import Experiment, Lesson, Proposal, Verdict, program_id

APPROVE = calls(("give_verdict", {"decision": "approve", "reasons": "sound and new"}))
REVISE = calls(("give_verdict", {"decision": "revise", "reasons": "say what refutes it"}))
REJECT = calls(("give_verdict", {"decision": "reject", "reasons": "nothing new"}))
LESSON = {"text": "Inertia speeds up flat directions.", "kind": "success", "effect": 0.4}
ANALYSE = calls(("submit_analysis", {"explanation": "It held.", "lessons": [LESSON]}))
KNOWN = Lesson(id="l1", text="Larger rates help flat bowls.", kind="insight", problem="small")


def submit(source=MOMENTUM):
    return calls(("submit_program", {"source": source, "hypothesis": "inertia helps", "operator": "hand"}))


def bench_in(folder, proposer, critic=(APPROVE,), analyst=(ANALYSE,), sandbox=None, seed=3):
    journal = Journal.open(folder) if (folder / "session.json").exists() else Journal.create(folder, {})
    evaluator, archive, evaluate = judged(journal.recorded, sandbox or InProcess())
    models = {
        role: ScriptedModel(replies=list(replies))
        for role, replies in {"proposer": proposer, "critic": critic, "analyst": analyst}.items()
    }
    bench = Bench(
        problem=PROBLEM,
        archive=archive,
        models=models,
        recorded=journal.recorded,
        recall=lambda query, limit: [KNOWN][:limit],
        smoke=evaluator.smoke,
        evaluate=evaluate,
        seed=seed,
    )
    return bench, journal


def head(messages):
    """The JSON block of a turn's first human message."""
    return json.loads(messages[1].text.split("```json\n")[1].split("\n```")[0])


def test_a_node_for_a_persons_verdict_is_entered_where_one_is_wanted(tmp_path):
    stages = []
    bench, _ = bench_in(tmp_path, [submit()])
    watched = replace(bench, stage=lambda number, stage: stages.append(stage))
    run_experiment(1, watched)
    assert stages == ["brief", "propose", "criticise", "evaluate", "analyse", "record"]
    stages.clear()
    verdict = Verdict(decision="reject", reasons="not today", by="human")
    asked = run_experiment(1, replace(watched, approve=lambda number, proposal: verdict))
    assert stages == ["brief", "propose", "criticise", "approve", "approve", "record"]
    assert asked.verdicts[-1] == verdict


def test_one_experiment_from_brief_to_record(tmp_path):
    bench, journal = bench_in(tmp_path, [submit()])
    experiment = run_experiment(1, bench)
    assert experiment.proposal.program_id == program_id(MOMENTUM)
    assert experiment.proposal.parent_id == program_id(PLAIN)
    assert experiment.result.status == "ok"
    assert experiment.result.games["bowl_1"] > bench.archive.best.result.games["bowl_1"]
    assert [v.decision for v in experiment.verdicts] == ["approve"]
    assert experiment.analysis.lessons[0].effect == 0.4
    assert experiment.brief["reason"].startswith("parent plain: where the session starts")
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    kinds = [event.kind for event in journal.events()]
    assert kinds.count("prompt") == kinds.count("reply") == kinds.count("tool") == 3


def test_each_role_gets_its_brief_as_json(tmp_path):
    bench, _ = bench_in(tmp_path, [submit()])
    run_experiment(1, bench)
    proposer, critic, analyst = (
        head(bench.models[role].asked[0]) for role in ("proposer", "critic", "analyst")
    )
    assert proposer["parent_id"] == program_id(PLAIN)
    assert proposer["lessons"][0]["text"] == KNOWN.text
    assert (proposer["draft_id"], proposer["objections"]) == (None, [])
    assert critic["program_id"] == analyst["program_id"] == program_id(MOMENTUM)
    assert critic["revisions_left"] == 2
    assert {proposer["role"], critic["role"], analyst["role"]} == {"proposer", "critic", "analyst"}
    system = bench.models["proposer"].asked[0][0].text
    assert PROBLEM.statement in system
    assert "submit_program" in system


def test_two_revisions_then_the_program_is_dropped(tmp_path):
    drafts = [MOMENTUM.replace("0.3", figure) for figure in ("0.4", "0.5", "0.6")]
    sandbox = InProcess()
    bench, _ = bench_in(tmp_path, [submit(d) for d in drafts], critic=[REVISE], sandbox=sandbox)
    sandbox.runs.clear()
    experiment = run_experiment(1, bench)
    assert [v.decision for v in experiment.verdicts] == ["revise"] * 3
    assert experiment.proposal.source == drafts[2]
    assert experiment.result.status == "rejected"
    assert "say what refutes it" in experiment.result.message
    assert sandbox.runs == []
    second = head(bench.models["proposer"].asked[1])
    assert second["draft_id"] == program_id(drafts[0])
    assert second["objections"] == ["say what refutes it"]
    assert drafts[0].strip() in bench.models["proposer"].asked[1][1].text
    assert bench.models["analyst"].asked == []


def test_a_revision_can_win_the_critic_over(tmp_path):
    bench, _ = bench_in(
        tmp_path, [submit(MOMENTUM.replace("0.3", "0.4")), submit()], critic=[REVISE, APPROVE]
    )
    experiment = run_experiment(1, bench)
    assert [v.decision for v in experiment.verdicts] == ["revise", "approve"]
    assert experiment.proposal.source == MOMENTUM
    assert experiment.result.status == "ok"


def test_a_rejected_program_is_not_evaluated(tmp_path):
    bench, _ = bench_in(tmp_path, [submit()], critic=[REJECT])
    experiment = run_experiment(1, bench)
    assert experiment.result.status == "rejected"
    assert experiment.result.message == "Critic: nothing new"
    assert experiment.analysis is None


def test_silent_roles_cost_their_own_part_only(tmp_path):
    silent = AIMessage(content="I would rather talk.")
    bench, _ = bench_in(tmp_path / "a", [silent])
    experiment = run_experiment(1, bench)
    assert experiment.proposal is None
    assert "called no tool" in experiment.result.message
    bench, _ = bench_in(tmp_path / "b", [submit()], critic=[silent], analyst=[silent])
    experiment = run_experiment(1, bench)
    assert experiment.result.status == "ok"
    assert "No verdict was given" in experiment.verdicts[0].reasons
    assert experiment.analysis is None


def test_a_failed_program_reaches_the_analyst_with_its_error(tmp_path):
    broken = MOMENTUM.replace("self.KEPT *", "self.LOST *")
    bench, _ = bench_in(tmp_path, [submit(broken)])
    experiment = run_experiment(1, bench)
    assert experiment.result.status == "error"
    assert "LOST" in bench.models["analyst"].asked[0][1].text
    assert experiment.analysis is not None


def test_a_replay_asks_nobody_and_runs_nothing(tmp_path):
    program = [calls(("smoke_run", {"source": MOMENTUM}), ("recall_lessons", {"query": "rates"})), submit()]
    bench, journal = bench_in(tmp_path, program)
    first = run_experiment(1, bench)
    written = len(journal)
    journal.close()
    sandbox = InProcess()
    nobody = [lambda messages: pytest.fail("a model was asked")]
    bench, journal = bench_in(tmp_path, nobody, nobody, nobody, sandbox=sandbox)
    bench = replace(bench, recall=lambda query, limit: pytest.fail("the memory was asked"))
    assert run_experiment(1, bench) == first
    assert sandbox.runs == []
    assert len(journal) == written


def test_a_kill_at_any_moment_loses_and_repeats_nothing(tmp_path):
    """The journal cut at each of its lines: the resumed experiment is the same, what was paid stays paid."""
    program = [calls(("smoke_run", {"source": MOMENTUM}), ("recall_lessons", {"query": "rates"})), submit()]
    whole = tmp_path / "whole"
    bench, journal = bench_in(whole, program)
    first = run_experiment(1, bench)
    journal.close()
    lines = (whole / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        folder = tmp_path / str(kept)
        folder.mkdir()
        (folder / "session.json").write_bytes((whole / "session.json").read_bytes())
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        with Journal.open(folder) as cut:
            paid = sum(1 for _ in cut.events("reply"))
            run = sum(1 for _ in cut.events("outcome"))
        sandbox = InProcess()
        left = [*program, APPROVE, ANALYSE][paid:]
        bench, journal = bench_in(folder, left[: max(0, 2 - paid)] or [REJECT], sandbox=sandbox)
        assert run_experiment(1, bench) == first
        assert sum(len(model.asked) for model in bench.models.values()) == 4 - paid
        assert len(sandbox.runs) == sum(1 for _ in journal.events("outcome")) - run
        assert len(journal) == len(lines)
        journal.close()


def variant(messages):
    """A proposer that is a function of its brief."""
    number = head(messages)["experiment"]
    return submit(MOMENTUM.replace("0.3", f"0.3{number}"))


def test_experiments_at_once_give_what_they_give_alone(tmp_path):
    bench, _ = bench_in(tmp_path / "a", [variant])
    alone = [run_experiment(number, bench) for number in range(1, 9)]
    bench, _ = bench_in(tmp_path / "b", [variant])
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: run_experiment(number, bench), range(1, 9)))
    assert together == alone
    assert len({e.proposal.program_id for e in alone}) == 8


def grown_archive(count):
    _, archive, evaluate = judged(lambda kind, key, compute: compute(), InProcess())
    for number in range(1, count + 1):
        source = MOMENTUM.replace("0.3", f"0.{number}")
        proposal = Proposal(
            program_id=program_id(source), source=source, hypothesis="h", parent_id=program_id(PLAIN)
        )
        archive = archive.grown(Experiment(number=number, proposal=proposal, result=evaluate(source)))
    return archive


def test_briefs_draw_on_ranks_niches_and_restarts_and_say_so():
    archive = grown_archive(6)
    briefs = [write_brief(PROBLEM, archive, 5, n, lambda query, limit: [KNOWN]) for n in range(7, 207)]
    assert briefs == [
        write_brief(PROBLEM, archive, 5, n, lambda query, limit: [KNOWN]) for n in range(7, 207)
    ]
    assert briefs != [
        write_brief(PROBLEM, archive, 6, n, lambda query, limit: [KNOWN]) for n in range(7, 207)
    ]
    reasons = [brief.reason for brief in briefs]
    shares = {
        word: sum(word in reason for reason in reasons) / len(reasons)
        for word in ("by score", "best of the session on", "restart from a baseline", "without lessons")
    }
    assert 0.5 < shares["by score"] < 0.8
    assert 0.15 < shares["best of the session on"] < 0.35
    assert 0.03 < shares["restart from a baseline"] < 0.2
    assert 0.1 < shares["without lessons"] < 0.3
    assert all(brief.parent_id not in brief.inspiration_ids for brief in briefs)
    assert all(bool(brief.lessons) == brief.memory for brief in briefs)
    by_rank = [brief.parent_id for brief in briefs if "by score" in brief.reason]
    childless = [e.program_id for e in archive.leaderboard if e.number and not archive.children(e.program_id)]
    assert by_rank.count(childless[0]) > 2 * by_rank.count(childless[-1])


def test_the_best_on_one_game_survives_as_a_parent():
    archive = grown_archive(6)
    niche = [
        b
        for n in range(7, 107)
        if "best of the session on bowl_1"
        in (b := write_brief(PROBLEM, archive, 5, n, lambda q, k: [])).reason
    ]
    champion = max(archive.entries.values(), key=lambda entry: entry.result.games["bowl_1"])
    assert {brief.parent_id for brief in niche} == {champion.program_id}


def test_an_experiment_without_memory_recalls_nothing(tmp_path):
    asks = [calls(("recall_lessons", {"query": "rates?"})), submit()]
    bench, journal = bench_in(tmp_path, asks)
    without = next(
        n for n in range(1, 50) if not write_brief(PROBLEM, bench.archive, 3, n, lambda q, k: []).memory
    )
    experiment = run_experiment(without, bench)
    assert experiment.brief["memory"] is False
    assert experiment.proposal.lesson_ids == ()
    assert next(iter(journal.events("tool"))).data["result"] == '{"lessons": []}'


def test_the_graph_can_be_drawn():
    drawing = experiment_graph().get_graph().draw_mermaid()
    for node in ("brief", "propose", "criticise", "evaluate", "analyse", "record"):
        assert node in drawing
    assert "criticise -.-> propose" in drawing.replace(";", "")


def test_no_baseline_is_a_failure_of_ours(tmp_path):
    bench, _ = bench_in(tmp_path, [submit()])
    with pytest.raises(ValueError, match="evaluate the baselines first"):
        run_experiment(1, replace(bench, archive=Archive()))
