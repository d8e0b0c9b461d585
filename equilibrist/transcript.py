"""What the agents said and did, from the journal: every message and tool call, in order."""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from equilibrist.reading.text import clean, short
from equilibrist.terminal import paged
from equilibrist.troubles import troubles
from memory.events import Event
from memory.journal import Journal

STYLE = {"proposer": "green", "critic": "yellow", "analyst": "cyan"}
SPOKEN = ("prompt", "reply", "tool", "unfinished", "experiment")
FOLLOWED = 10
"""Messages with which following begins, like the lines of ``tail``."""
SHORT = 600
"""Characters of a message that are printed unless all of it is asked for."""


@dataclass(frozen=True)
class Filter:
    agent: str | None = None
    experiment: int | None = None
    grep: re.Pattern[str] | None = None

    def passes(self, event: Event) -> bool:
        data = event.data
        if event.kind not in SPOKEN or (self.experiment is not None and number(event) != self.experiment):
            return False
        if self.agent is not None and data.get("role") != self.agent:
            return False
        return self.grep is None or self.grep.search(words(event)) is not None


def number(event: Event) -> int:
    """Of the experiment that an event belongs to."""
    return int(event.data.get("number", event.data.get("experiment", 0)))


def words(event: Event) -> str:
    """Everything in an event that a reader may search for."""
    data = event.data
    if event.kind == "experiment":
        proposal = data.get("proposal") or {}
        reasons = [verdict["reasons"] for verdict in data.get("verdicts", ())]
        return "\n".join([_verdict(data), proposal.get("hypothesis", ""), *reasons])
    calls = json.dumps(data.get("tool_calls", data.get("arguments", "")), ensure_ascii=False)
    return (
        "\n".join(str(data.get(name) or "") for name in ("text", "name", "human", "result", "reason")) + calls
    )


def transcript(
    console: Console,
    journal: Journal,
    chosen: Filter,
    full: bool,
    follow: bool,
    as_json: bool,
    last: int | None = None,
) -> None:
    """Print the transcript, through a pager on a terminal.

    ``last``: only so many of the matching messages. With ``follow`` the latest come first, ``FOLLOWED`` of
    them unless ``last`` says otherwise, then what is written from then on, until interrupted.
    """
    seen = len(journal)
    events: Iterable[Event] = filter(chosen.passes, journal.events(*SPOKEN) if follow else ordered(journal))
    if follow or last is not None:
        events = deque(events, maxlen=FOLLOWED if last is None else last)
    if follow:
        events = chain(events, filter(chosen.passes, journal.follow(after=seen)))
    if as_json:
        for event in events:
            line = {"n": event.n, "time": event.time, "kind": event.kind, **event.data}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            if follow:
                sys.stdout.flush()
    elif follow:
        _tell(console, events, chosen, full)
    else:
        with paged(console):
            if not _tell(console, events, chosen, full):
                console.print("Nothing was said that matches.", style="dim")


def _tell(console: Console, events: Iterable[Event], chosen: Filter, full: bool) -> int:
    """Print events; returns how many."""
    count = 0
    for event in events:
        count += 1
        for text in spoken(event, full or chosen.grep is not None and len(words(event)) < 4 * SHORT):
            if chosen.grep is not None:
                text.highlight_regex(chosen.grep, "reverse")
            console.print(text, soft_wrap=True)
    return count


def ordered(journal: Journal) -> list[Event]:
    """Events by experiment, then as written: concurrent experiments are told one after the other."""
    return sorted(journal.events(*SPOKEN), key=lambda event: (number(event), event.n))


def spoken(event: Event, full: bool) -> Iterator[Text]:
    """One event as lines of text."""
    data = event.data
    if event.kind == "experiment":
        yield Text(f"━━ experiment {data['number']}: {_verdict(data)}", style="bold")
        return
    role = data["role"]
    head = f"#{data['experiment']} {role}"
    if event.kind == "prompt":
        revision = f", revision {data['round']}" if data.get("round") else ""
        yield Text(f"── {head} is briefed{revision}", style="bold")
        yield Text(_short(data["human"], full), style="dim")
    elif event.kind == "unfinished":
        yield Text(f"{head} gives up: {clean(data['reason'])}", style="red")
    elif event.kind == "reply":
        for trouble in troubles(data):
            yield Text(f"   ! {trouble}", style="red")
        if data.get("text"):
            said = _short(data["text"], full)
            yield Text(f"{head}: ", style=STYLE.get(role, "")).append(said, style="default")
        for call in data.get("tool_calls", []):
            yield Text(f"{head} calls {clean(call['name'])} ", style=STYLE.get(role, "")).append_text(
                _arguments(call["args"], full)
            )
    else:
        style = "red" if data["result"].startswith('{"error"') else "dim"
        yield Text(f"   {clean(data['name'])} -> ", style=style).append(_short(data["result"], full))


def _arguments(arguments: dict[str, Any], full: bool) -> Text:
    """In one line; a program below it in colours, where all of it is asked for."""
    plain = {key: value for key, value in arguments.items() if not (full and key == "source")}
    text = Text(_short(json.dumps(plain, ensure_ascii=False), full), style="default")
    if full and isinstance(arguments.get("source"), str):
        source = short(arguments["source"])
        text.append("\n").append_text(Syntax("", "python", background_color="default").highlight(source))
    return text


def _verdict(data: dict[str, Any]) -> str:
    result = data["result"]
    score = "" if result["score"] is None else f", score {result['score']:.4f}"
    return result["status"] + score + (f" ({clean(result['message'])[:200]})" if result["message"] else "")


def _short(text: str, full: bool) -> str:
    text = short(text) if full else clean(text[: 4 * SHORT])
    if full or len(text) <= SHORT:
        return text
    return f"{text[:SHORT]} … [more: --full]"
