"""OpenAI's chat format, one JSON object per line: a turn of an agent as ``messages``.

The keys under ``metadata`` say where the turn belongs and what became of it, so that a training set can be
chosen from it (e.g. only turns of programs that improved on their parent).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from equilibrist.reading.story import Turn, turns
from equilibrist.reading.view import SessionView


def write(view: SessionView, out: Path | None) -> str:
    path = out or Path(f"{view.name}.openai.jsonl")
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for line in lines(view):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return str(path)


def lines(view: SessionView) -> Iterator[dict[str, Any]]:
    """Every turn of every experiment, in order."""
    systems = {event.key: str(event.data.get("text", "")) for event in view.events("system")}
    for number in sorted(n for n in view.lines.spoken if n > 0):
        row = view.rows.get(number)
        for turn in turns(view.spoken(number)):
            if turn.steps:
                about = {"session": view.name, "experiment": number, "role": turn.role, "round": turn.round}
                about["model"] = turn.steps[-1].model
                if row:
                    about |= {
                        "status": row.status,
                        "score": row.score,
                        "gain": row.gain,
                        "program": row.program_id,
                    }
                yield {"messages": messages(turn, systems.get(turn.system, "")), "metadata": about}


def messages(turn: Turn, system: str) -> list[dict[str, Any]]:
    """The conversation of a turn. A call that was never answered is left out with its answer."""
    told: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    told += [{"role": "user", "content": turn.human}] if turn.human else []
    for number, step in enumerate(turn.steps, 1):
        calls = [
            (f"call{number:02d}{i:03d}", call) for i, call in enumerate(step.calls) if call.result is not None
        ]
        said: dict[str, Any] = {"role": "assistant", "content": step.text or (None if calls else "")}
        if step.refusal:
            said["refusal"] = step.refusal
        if calls:
            said["tool_calls"] = [
                {
                    "id": ident,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": json.dumps(call.arguments, ensure_ascii=False),
                    },
                }
                for ident, call in calls
            ]
        told.append(said)
        told += [{"role": "tool", "tool_call_id": ident, "content": call.result} for ident, call in calls]
    return told
