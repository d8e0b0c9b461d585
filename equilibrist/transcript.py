"""What the agents said and did, from the journal: every message and tool call, in order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from equilibrist.render import safe
from equilibrist.troubles import troubles
from memory.events import Event
from memory.journal import Journal

STYLE = {"proposer": "green", "critic": "yellow", "analyst": "cyan"}
SPOKEN = ("prompt", "reply", "tool", "unfinished", "experiment")
SHORT = 600
"""Characters of a message that are printed unless all of it is asked for."""


@dataclass(frozen=True)
class Filter:
    agent: str | None = None
    experiment: int | None = None

    def passes(self, event: Event) -> bool:
        data = event.data
        number = data.get("number", data.get("experiment"))
        if self.experiment is not None and number != self.experiment:
            return False
        return self.agent is None or data.get("role") == self.agent


def transcript(
    console: Console, journal: Journal, chosen: Filter, full: bool, follow: bool, as_json: bool
) -> None:
    """Print the transcript; with ``follow`` until interrupted."""
    events = journal.follow() if follow else ordered(journal)
    for event in events:
        if event.kind not in SPOKEN or not chosen.passes(event):
            continue
        if as_json:
            line = {"n": event.n, "time": event.time, "kind": event.kind, **event.data}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        else:
            for text in spoken(event, full):
                console.print(text, soft_wrap=True)


def ordered(journal: Journal) -> list[Event]:
    """Events by experiment, then as written: concurrent experiments are told one after the other."""
    events = list(journal.events(*SPOKEN))
    return sorted(
        events, key=lambda event: (event.data.get("number", event.data.get("experiment", 0)), event.n)
    )


def spoken(event: Event, full: bool) -> Iterator[Text]:
    """One event as lines of text."""
    data = event.data
    if event.kind == "experiment":
        yield Text(f"━━ experiment {data['number']}: {_verdict(data)}", style="bold")
        return
    role = data["role"]
    head = f"#{data['experiment']} {role}"
    if event.kind == "prompt":
        yield Text(
            f"── {head} is briefed" + (f", revision {data['round']}" if data.get("round") else ""),
            style="bold",
        )
        yield Text(_short(data["human"], full), style="dim")
    elif event.kind == "unfinished":
        yield Text(f"{head} gives up: {safe(data['reason'])}", style="red")
    elif event.kind == "reply":
        for trouble in troubles(data):
            yield Text(f"   ! {trouble}", style="red")
        if data.get("text"):
            yield Text(f"{head}: ", style=STYLE.get(role, "")).append(
                _short(data["text"], full), style="default"
            )
        for call in data.get("tool_calls", []):
            arguments = json.dumps(call["args"], ensure_ascii=False)
            yield Text(f"{head} calls {call['name']} ", style=STYLE.get(role, "")).append(
                _short(arguments, full)
            )
    else:
        style = "red" if data["result"].startswith('{"error"') else "dim"
        yield Text(f"   {data['name']} -> ", style=style).append(_short(data["result"], full))


def _verdict(data: dict) -> str:
    result = data["result"]
    score = "" if result["score"] is None else f", score {result['score']:.4f}"
    return result["status"] + score + (f" ({safe(result['message'])[:200]})" if result["message"] else "")


def _short(text: str, full: bool) -> str:
    text = safe(text)
    if full or len(text) <= SHORT:
        return text
    return f"{text[:SHORT]} … [{len(text) - SHORT} more characters: --full]"
