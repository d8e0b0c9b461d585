"""How one experiment came about: the turns of its agents, replies and calls put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from memory.events import Event


@dataclass
class Call:
    name: str
    arguments: dict[str, Any]
    result: str | None = None
    """None while it runs, or when the session was stopped before it answered."""


@dataclass
class Step:
    """One reply of a model."""

    time: str
    model: str
    text: str
    refusal: str
    invalid: list[dict[str, Any]]
    usage: dict[str, Any]
    usd: float | None
    calls: list[Call] = field(default_factory=list)


@dataclass
class Turn:
    """A role's turn: what it was told, and everything that it did until it submitted."""

    role: str
    round: int
    """Counts the revisions."""
    time: str
    system: str
    """Key of the event ``system`` that holds its prompt."""
    human: str
    steps: list[Step] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [call for step in self.steps for call in step.calls]


def turns(events: Sequence[Event]) -> list[Turn]:
    """From the events of one experiment, in the order in which they began. A resumed session's are whole."""
    found: dict[tuple[str, int], Turn] = {}
    replies: dict[str, Step] = {}
    for event in events:
        data = event.data
        if event.kind not in ("prompt", "reply", "tool"):
            continue
        place = (str(data.get("role", "")), int(data.get("round", 0)))
        if event.kind == "prompt":
            told = Turn(*place, event.time, str(data.get("system", "")), str(data.get("human", "")))
            found.setdefault(place, told)
        elif event.kind == "reply":
            turn = found.setdefault(place, Turn(*place, event.time, "", ""))
            replies[event.key or ""] = step = _step(event)
            turn.steps.append(step)
        else:
            _answer(event, found.get(place), replies)
    return list(found.values())


def _step(event: Event) -> Step:
    data = event.data
    return Step(
        time=event.time,
        model=str(data.get("model", "")),
        text=str(data.get("text") or ""),
        refusal=str(data.get("refusal") or data.get("overflow") or ""),
        invalid=list(data.get("invalid_calls") or ()),
        usage=dict(data.get("usage") or {}),
        usd=data.get("usd"),
        calls=[Call(str(c.get("name")), c.get("args") or {}) for c in data.get("tool_calls") or ()],
    )


def _answer(event: Event, turn: Turn | None, replies: dict[str, Step]) -> None:
    """Put a tool's result to the call that asked for it: its key is the reply's and the call's number."""
    reply, _, index = (event.key or "").rpartition(" ")
    step = replies.get(reply) or (turn.steps[-1] if turn and turn.steps else None)
    if step is None:
        return
    result = str(event.data.get("result", ""))
    if index.isdecimal() and int(index) < len(step.calls):
        step.calls[int(index)].result = result
    else:
        step.calls.append(Call(str(event.data.get("name")), event.data.get("arguments") or {}, result))
