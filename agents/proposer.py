"""The proposer: from a brief, and the critic's objections if any, to a program with a hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

from agents import brief as briefs
from agents import texts
from agents.conversation import Place, Unfinished, converse
from agents.state import Bench, State, draft_of
from memory.records import Proposal, Result

ROLE = "proposer"
SHOWN = 6
"""Programs in the table of what is known."""
TRIED = 6
"""Programs from the same parent that are told of."""


def propose(state: State, bench: Bench) -> State:
    """A proposal, or None with a result that says why there is none."""
    if (handed_in := state.get("given")) is not None:
        known = handed_in.parent_id in bench.archive.entries
        parent = handed_in.parent_id if known else state["brief"].parent_id
        return {"proposal": handed_in.model_copy(update={"parent_id": parent})}
    previous = state.get("proposal")
    place = Place(state["number"], ROLE, round=len(state.get("verdicts", ())))
    desk = bench.desk(state, ROLE, draft_of(previous) if previous else None)
    prompt, brief = texts.system(ROLE, bench.problem), brief_text(state, bench)
    try:
        made = converse(bench.models[ROLE], place, prompt, brief, desk, bench.recorded, bench.pay)
    except Unfinished as failure:
        return {"proposal": None, "result": Result(status="rejected", message=str(failure))}
    assert isinstance(made, Proposal)
    given = state["brief"]
    return {
        "proposal": made.model_copy(
            update={
                "parent_id": given.parent_id,
                "inspiration_ids": given.inspiration_ids,
                "lesson_ids": tuple(dict.fromkeys([*(x.id for x in given.lessons), *desk.turn.recalled])),
            }
        )
    }


def brief_text(state: State, bench: Bench) -> str:
    given, entries, best = state["brief"], bench.archive.entries, bench.archive.leaderboard[:SHOWN]
    previous, parent = state.get("proposal"), entries[given.parent_id]
    objections = [verdict.reasons for verdict in state.get("verdicts", ())]
    head = {
        "role": ROLE,
        "problem": bench.problem.name,
        "experiment": state["number"],
        **briefs.fields(given),
        "draft_id": previous.program_id if previous else None,
        "objections": objections,
        **({"steering": list(bench.steering)} if bench.steering else {}),
    }
    return texts.message(
        head,
        f"Experiment {state['number']}: {given.reason}",
        texts.steering(bench.steering),
        "## What is known\n\n" + texts.table(best) if best else "",
        texts.lessons(given.lessons),
        texts.code("Parent", parent),
        texts.gaps(parent, bench.archive.champions),
        texts.attempts(bench.archive.children(given.parent_id)[-TRIED:], parent),
        *(texts.code("Inspiration", entries[name]) for name in given.inspiration_ids),
        *(_sent_back(previous, objections) if previous else ()),
        "Propose one program. End with submit_program.",
    )


def _sent_back(previous: Proposal, objections: Sequence[str]) -> tuple[str, ...]:
    return (
        texts.code("Your draft, which the critic sent back", draft_of(previous)),
        texts.hypothesis(previous.hypothesis),
        "## The critic's objections\n\n" + "\n\n".join(map(texts.quoted, objections)),
    )
