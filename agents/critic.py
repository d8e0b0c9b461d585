"""The critic: is this program worth an evaluation?"""

from __future__ import annotations

from agents import texts
from agents.conversation import Place, Unfinished, converse
from agents.state import REVISIONS, Bench, State, draft_of
from memory.records import Verdict
from tools.desk import Desk
from tools.programs import nearest_programs

ROLE = "critic"


def criticise(state: State, bench: Bench) -> State:
    """One more verdict. A critic that gives none does not stop an experiment: evaluation decides."""
    proposal, past = state["proposal"], state.get("verdicts", ())
    assert proposal is not None
    place = Place(state["number"], ROLE, round=len(past))
    desk = bench.desk(state, ROLE, draft_of(proposal))
    prompt, brief = texts.system(ROLE, bench.problem), brief_text(state, bench, desk)
    try:
        verdict = converse(bench.models[ROLE], place, prompt, brief, desk, bench.recorded, bench.pay)
    except Unfinished as failure:
        verdict = Verdict(decision="approve", reasons=f"No verdict was given. {failure}")
    assert isinstance(verdict, Verdict)
    return {"verdicts": (*past, verdict)}


def brief_text(state: State, bench: Bench, desk: Desk) -> str:
    proposal, past = state["proposal"], state.get("verdicts", ())
    assert proposal is not None
    parent = bench.archive.entries[proposal.parent_id or ""]
    draft = draft_of(proposal)
    head = {
        "role": ROLE,
        "problem": bench.problem.name,
        "experiment": state["number"],
        "program_id": proposal.program_id,
        "parent_id": proposal.parent_id,
        "hypothesis": proposal.hypothesis,
        "operator": proposal.operator,
        "revisions_left": REVISIONS - len(past),
        **({"steering": list(bench.steering)} if bench.steering else {}),
    }
    return texts.message(
        head,
        texts.hypothesis(proposal.hypothesis),
        texts.steering(bench.steering),
        texts.code("Program under review", draft),
        texts.changes(parent, draft),
        _nearest(desk, draft.source),
        "## Your earlier objections\n\n" + "\n\n".join(texts.quoted(v.reasons) for v in past) if past else "",
        f"Revisions that you may still ask for: {REVISIONS - len(past)}. End with give_verdict.",
    )


def _nearest(desk: Desk, source: str) -> str:
    """The programs of the archive that are most like this one, so that novelty is judged on facts."""
    near = nearest_programs(desk, source)["nearest"]
    rows = [
        f"| {x['name']} ({x['program_id']}) | {x['similarity']:.2f} | "
        f"{'yes' if x['same_structure'] else 'no'} | {texts.figure(x['score'])} |"
        for x in near
    ]
    head = "| program | similarity | same but for names and constants | score |\n|---|---|---|---|\n"
    return "## Nearest in the archive\n\n" + head + "\n".join(rows) if rows else ""
