"""The analyst: hypothesis against figures, and what to remember of it."""

from __future__ import annotations

from agents import texts
from agents.conversation import Place, Unfinished, converse
from agents.state import Bench, State, draft_of
from memory.records import Analysis
from tools.desk import Program
from tools.recall import told

ROLE = "analyst"


def analyse(state: State, bench: Bench) -> State:
    """An analysis, or None when the analyst hands in none."""
    proposal = state["proposal"]
    assert proposal is not None
    desk = bench.desk(state, ROLE, draft_of(proposal, state["result"]))
    prompt, brief = texts.system(ROLE, bench.problem), brief_text(state, bench)
    place = Place(state["number"], ROLE)
    try:
        analysis = converse(bench.models[ROLE], place, prompt, brief, desk, bench.recorded, bench.pay)
    except Unfinished:
        return {"analysis": None}
    assert isinstance(analysis, Analysis)
    return {"analysis": analysis}


def brief_text(state: State, bench: Bench) -> str:
    proposal, result = state["proposal"], state["result"]
    assert proposal is not None
    parent = bench.archive.entries[proposal.parent_id or ""]
    program = draft_of(proposal, result)
    shown = state["brief"].lessons
    head = {
        "role": ROLE,
        "problem": bench.problem.name,
        "experiment": state["number"],
        "program_id": proposal.program_id,
        "parent_id": proposal.parent_id,
        "hypothesis": proposal.hypothesis,
        "operator": proposal.operator,
        "lessons": told(shown),
    }
    return texts.message(
        head,
        texts.hypothesis(proposal.hypothesis),
        f"## Result\n\n{texts.profile(program)}\n\n" + texts.table([parent, program]),
        _curves(parent, program),
        texts.changes(parent, program),
        texts.lessons(shown),
        "Explain the result and write the lessons. End with submit_analysis.",
    )


def _curves(parent: Program, program: Program) -> str:
    """How both did over the run on each game, at a few moments: when a difference arose says much of why."""
    if program.result is None or parent.result is None:
        return ""
    lines = []
    for game, series in program.result.curves.items():
        for name, values in series.items():
            before = parent.result.curves.get(game, {}).get(name, [])
            if name != "iterations" and len(before) == len(values) > 1 and before != values:
                lines += [
                    f"* {game}, {name}, parent: {texts.moments(before)}",
                    f"  program: {texts.moments(values)}",
                ]
    return "## Over the run\n\n" + "\n".join(lines) if lines else ""
