"""One experiment as a LangGraph state machine: brief, propose <-> criticise, evaluate, analyse, record."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from agents.analyst import analyse
from agents.brief import fields, write_brief
from agents.critic import criticise
from agents.models import model_id
from agents.proposer import propose
from agents.state import REVISIONS, Bench, State, recorded_lessons
from memory.records import Experiment, Proposal, Result, Verdict

Graph = CompiledStateGraph[State, Bench, State, State]


def run_experiment(number: int, bench: Bench, given: Proposal | None = None) -> Experiment:
    """One whole experiment. Writes nothing itself but what goes through ``bench.recorded``.

    ``given`` is a program that a person handed in: it is evaluated and analysed without a proposer or critic.
    Where ``bench.approve`` is set, the graph is interrupted before evaluation and goes on with the answer.

    Safe to call from several threads with one bench. Raises ModelError when a model cannot be reached, and
    whatever the journal, the sandbox, ``bench.pay`` or ``bench.approve`` raises.
    """
    asked: Any = {"number": number, "given": given}
    if bench.approve is None:  # only one channel is wanted: all would be read again after each step
        experiment: Experiment = experiment_graph().invoke(asked, context=bench, output_keys=["experiment"])[
            "experiment"
        ]
        return experiment
    graph = _graph().compile(checkpointer=InMemorySaver())
    thread: RunnableConfig = {"configurable": {"thread_id": str(number)}}
    while "__interrupt__" in (final := graph.invoke(asked, thread, context=bench)):
        verdict = bench.approve(number, final["proposal"])
        asked = Command(resume=verdict.model_dump(mode="json"))
    experiment = final["experiment"]
    return experiment


@cache
def experiment_graph() -> Graph:
    """The compiled graph; ``experiment_graph().get_graph().draw_mermaid()`` draws it."""
    return _graph().compile()


def _graph() -> StateGraph[State, Bench, State, State]:
    graph = StateGraph(State, context_schema=Bench)
    graph.add_node("brief", _node(brief))
    graph.add_node("propose", _node(propose))
    graph.add_node("criticise", _node(criticise))
    graph.add_node("approve", _node(approve))
    graph.add_node("evaluate", _node(evaluate))
    graph.add_node("analyse", _node(analyse))
    graph.add_node("record", _node(record))
    graph.add_edge(START, "brief")
    graph.add_edge("brief", "propose")
    graph.add_conditional_edges("propose", after_proposal)
    graph.add_conditional_edges("criticise", after_verdict)
    graph.add_conditional_edges("approve", after_approval)
    graph.add_edge("evaluate", "analyse")
    graph.add_edge("analyse", "record")
    graph.add_edge("record", END)
    return graph


def brief(state: State, bench: Bench) -> State:
    number = state["number"]
    return {
        "brief": write_brief(
            bench.problem,
            bench.archive,
            bench.seed,
            number,
            lambda query, limit: recorded_lessons(bench, number, "brief", query, limit),
            bench.arm,
            bench.islands,
            bench.without_memory,
        )
    }


def after_proposal(state: State) -> Literal["criticise", "evaluate", "record"]:
    if state.get("given"):
        return "evaluate"
    return "criticise" if state["proposal"] else "record"


def after_verdict(
    state: State, runtime: Runtime[Bench]
) -> Literal["propose", "approve", "evaluate", "record"]:
    verdicts = state["verdicts"]
    if verdicts[-1].decision == "approve":
        return "approve" if runtime.context.approve else "evaluate"
    return "propose" if verdicts[-1].decision == "revise" and len(verdicts) <= REVISIONS else "record"


def approve(state: State, bench: Bench) -> State:
    """A person's verdict, where the session wants one. LangGraph runs the node again with the answer."""
    proposal = state["proposal"]
    assert proposal is not None
    answer = interrupt({"experiment": state["number"], "program_id": proposal.program_id})
    return {"verdicts": (*state["verdicts"], Verdict.model_validate(answer))}


def after_approval(state: State) -> Literal["evaluate", "record"]:
    return "evaluate" if state["verdicts"][-1].decision == "approve" else "record"


def evaluate(state: State, bench: Bench) -> State:
    proposal = state["proposal"]
    assert proposal is not None
    return {"result": bench.evaluate(proposal.source)}


def record(state: State, bench: Bench) -> State:
    """The experiment as it will be written; the session writes it."""
    verdicts = state.get("verdicts", ())
    said = f"{verdicts[-1].by.capitalize()}: {verdicts[-1].reasons}" if verdicts else ""
    rejected = Result(status="rejected", message=said)
    author = bench.hand if state.get("given") else model_id(bench.models["proposer"])
    arm = {} if bench.arm == "search" else {"arm": bench.arm}
    return {
        "experiment": Experiment(
            number=state["number"],
            proposal=state["proposal"],
            verdicts=verdicts,
            result=state.get("result", rejected),
            analysis=state.get("analysis"),
            brief={**fields(state["brief"]), "memory": state["brief"].memory, "author": author, **arm},
        )
    }


def _node(role: Callable[[State, Bench], State]) -> Any:
    def node(state: State, runtime: Runtime[Bench]) -> State:
        runtime.context.stage(state["number"], role.__name__)
        return role(state, runtime.context)

    return node
