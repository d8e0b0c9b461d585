"""One experiment as a LangGraph state machine: brief, propose <-> criticise, evaluate, analyse, record."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agents.analyst import analyse
from agents.brief import fields, write_brief
from agents.critic import criticise
from agents.proposer import propose
from agents.state import REVISIONS, Bench, State, recorded_lessons
from memory.records import Experiment, Result


def run_experiment(number: int, bench: Bench) -> Experiment:
    """One whole experiment. Writes nothing itself but what goes through ``bench.recorded``.

    Safe to call from several threads with one bench. Raises ModelError when a model cannot be reached, and
    whatever the journal or the sandbox raises for a failure of ours.
    """
    final = experiment_graph().invoke({"number": number}, context=bench)
    experiment: Experiment = final["experiment"]
    return experiment


@cache
def experiment_graph() -> CompiledStateGraph[State, Bench, State, State]:
    """The compiled graph; ``experiment_graph().get_graph().draw_mermaid()`` draws it."""
    graph = StateGraph(State, context_schema=Bench)
    graph.add_node("brief", _node(brief))
    graph.add_node("propose", _node(propose))
    graph.add_node("criticise", _node(criticise))
    graph.add_node("evaluate", _node(evaluate))
    graph.add_node("analyse", _node(analyse))
    graph.add_node("record", _node(record))
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "propose")
    graph.add_conditional_edges("propose", after_proposal)
    graph.add_conditional_edges("criticise", after_verdict)
    graph.add_edge("evaluate", "analyse")
    graph.add_edge("analyse", "record")
    graph.add_edge("record", END)
    return graph.compile()


def brief(state: State, bench: Bench) -> State:
    number = state["number"]
    return {
        "brief": write_brief(
            bench.problem,
            bench.archive,
            bench.seed,
            number,
            lambda query, limit: recorded_lessons(bench, number, query, limit),
        )
    }


def after_proposal(state: State) -> Literal["criticise", "record"]:
    return "criticise" if state["proposal"] else "record"


def after_verdict(state: State) -> Literal["propose", "evaluate", "record"]:
    verdicts = state["verdicts"]
    if verdicts[-1].decision == "approve":
        return "evaluate"
    return "propose" if verdicts[-1].decision == "revise" and len(verdicts) <= REVISIONS else "record"


def evaluate(state: State, bench: Bench) -> State:
    proposal = state["proposal"]
    assert proposal is not None
    return {"result": bench.evaluate(proposal.source)}


def record(state: State, bench: Bench) -> State:
    """The experiment as it will be written; the session writes it."""
    verdicts = state.get("verdicts", ())
    rejected = Result(status="rejected", message=f"Critic: {verdicts[-1].reasons}" if verdicts else "")
    return {
        "experiment": Experiment(
            number=state["number"],
            proposal=state["proposal"],
            verdicts=verdicts,
            result=state.get("result", rejected),
            analysis=state.get("analysis"),
            brief={**fields(state["brief"]), "memory": state["brief"].memory},
        )
    }


def _node(role: Callable[[State, Bench], State]) -> Any:
    def node(state: State, runtime: Runtime[Bench]) -> State:
        return role(state, runtime.context)

    return node
