"""What the agents said and did, from the journal: every message and tool call, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from equilibrist.options import emit_line
from equilibrist.reading.lines import Lines
from equilibrist.reading.text import short
from equilibrist.render import safe
from equilibrist.terminal import paged
from equilibrist.troubles import troubles
from memory.events import Event
from memory.heads import Place

STYLE = {"proposer": "green", "critic": "yellow", "analyst": "cyan"}
SPOKEN = ("prompt", "reply", "tool", "unfinished", "unanswered", "experiment")
SAID = ("text", "name", "human", "result", "reason", "message")
"""Parts of an event that a reader may search."""
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
    return "\n".join(str(data.get(name) or "") for name in SAID) + calls


def transcript(
    console: Console,
    lines: Lines,
    chosen: Filter,
    full: bool,
    follow: bool,
    as_json: bool,
    last: int | None = None,
) -> None:
    """Print the transcript as it is read, through a pager on a terminal.

    ``last``: only so many of the matching messages. With ``follow`` the latest come first, ``FOLLOWED`` of
    them unless ``last`` says otherwise, then what is written from then on, until interrupted.
    """
    lines.refresh()
    order = places(lines, chosen.experiment)
    if follow:
        order.sort()
        last = FOLLOWED if last is None else last
    events: Iterable[Event]
    if last is None:
        events = filter(chosen.passes, lines.read(order))
    else:
        latest = filter(chosen.passes, lines.read(reversed(order)))
        events = reversed(list(islice(latest, last)))
    if follow:
        events = chain(events, filter(chosen.passes, lines.follow(*SPOKEN)))
    if as_json:
        for event in events:
            emit_line({"n": event.n, "time": event.time, "kind": event.kind, **event.data}, flush=follow)
    elif follow:
        _tell(console, events, chosen, full)
    else:
        with paged(console) as shown:
            if not _tell(shown, events, chosen, full):
                shown.print("Nothing was said that matches.", style="dim")


def _tell(console: Console, events: Iterable[Event], chosen: Filter, full: bool) -> int:
    """Print events; returns how many."""
    count, coloured = 0, console.is_terminal
    for event in events:
        count += 1
        whole = full or chosen.grep is not None and len(words(event)) < 4 * SHORT
        for text in spoken(event, whole, coloured):
            if not coloured:  # Rich takes six times as long
                console.file.write(text.plain + "\n")
                continue
            if chosen.grep is not None:
                text.highlight_regex(chosen.grep, "reverse")
            console.print(text, soft_wrap=True)
        console.file.flush()
    return count


def places(lines: Lines, experiment: int | None) -> list[Place]:
    """Where the messages lie, by experiment, then as written: concurrent ones one after the other."""
    if experiment is not None:
        return list(lines.spoken.get(experiment, ()))
    said = {place for kind in SPOKEN for place in lines.kinds.get(kind, ())}
    return [place for number in sorted(lines.spoken) for place in lines.spoken[number] if place in said]


def spoken(event: Event, full: bool, coloured: bool = True) -> Iterator[Text]:
    """One event as lines of text."""
    data = event.data
    if event.kind == "experiment":
        yield Text(f"━━ experiment {data['number']}: {_verdict(data)}", style="bold")
        return
    role = safe(data["role"])
    head = f"#{data['experiment']} {role}"
    if event.kind == "prompt":
        revision = f", revision {data['round']}" if data.get("round") else ""
        yield Text(f"── {head} is briefed{revision}", style="bold")
        yield Text(_short(data["human"], full), style="dim")
    elif event.kind == "unfinished":
        yield Text(f"{head} gives up: {_short(data['reason'], full)}", style="red")
    elif event.kind == "unanswered":
        for trouble in troubles(data):
            yield Text(f"   ! {trouble}", style="red")
        yield Text(f"{head} was left without a reply: {_short(data['message'], full)}", style="red")
    elif event.kind == "reply":
        for trouble in troubles(data):
            yield Text(f"   ! {trouble}", style="red")
        if data.get("text"):
            said = _short(data["text"], full)
            yield Text(f"{head}: ", style=STYLE.get(role, "")).append(said, style="default")
        for call in data.get("tool_calls", []):
            yield Text(f"{head} calls {_short(call['name'], False)} ", style=STYLE.get(role, "")).append_text(
                _arguments(call["args"], full, coloured)
            )
    else:
        style = "red" if data["result"].startswith('{"error"') else "dim"
        yield Text(f"   {_short(data['name'], False)} -> ", style=style).append(_short(data["result"], full))


def _arguments(arguments: dict[str, Any], full: bool, coloured: bool) -> Text:
    """In one line; a program below it, where all of it is asked for."""
    plain = {key: value for key, value in arguments.items() if not (full and key == "source")}
    text = Text(_short(json.dumps(plain, ensure_ascii=False), full), style="default")
    if full and isinstance(arguments.get("source"), str):
        source, python = short(arguments["source"]), Syntax("", "python", background_color="default")
        text.append("\n").append_text(python.highlight(source) if coloured else Text(source))
    return text


def _verdict(data: dict[str, Any]) -> str:
    result = data["result"]
    score = "" if result["score"] is None else f", score {result['score']:.4f}"
    return result["status"] + score + (f" ({safe(result['message'])[:200]})" if result["message"] else "")


def _short(text: str, full: bool) -> str:
    text = short(text) if full else safe(text[: 4 * SHORT])
    if full or len(text) <= SHORT:
        return text
    return f"{text[:SHORT]} … [more: --full]"
