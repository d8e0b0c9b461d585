"""An evaluation log as Inspect AI reads it (log format version 2): a sample per experiment.

Written without Inspect, so nothing needs it installed. A sample's messages are the turns of proposer, critic
and analyst one after the other, its score the program's, its metadata what the journal says of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from equilibrist.options import strict_json
from equilibrist.reading.story import Step, Turn, turns
from equilibrist.reading.view import Row, SessionView


def write(view: SessionView, out: Path | None) -> str:
    path = out or Path(f"{view.name}.json")
    with path.open("w", encoding="utf-8", errors="replace") as file:
        file.write(strict_json(head(view))[:-1] + ', "samples": [')
        for at, sample in enumerate(samples(view)):  # one at a time: a log may be larger than the memory
            file.write((",\n" if at else "\n") + strict_json(sample))
        file.write("\n]}\n")
    return str(path)


def samples(view: SessionView) -> Iterator[dict[str, Any]]:
    """An experiment each, in order."""
    systems = {event.key or "": str(event.data.get("text", "")) for event in view.events("system")}
    for row in view.experiments:
        yield _sample(view, row, systems)


def head(view: SessionView) -> dict[str, Any]:
    """Everything but the samples."""
    spent, state = view.spend(), view.state
    rows = {row.number: row for row in view.experiments if row.number is not None}
    scores = [row.score for row in view.experiments if row.complete and row.score is not None]
    status = {"done": "success", "running": "started"}.get(state, "cancelled")
    usage = {model: _usage(part.input, part.output) for (_, model), part in view.shares.items()}
    games = view.games
    return {
        "version": 2,
        "status": status,
        "eval": {
            "eval_id": view.name,
            "run_id": view.name,
            "created": _stamp(view.lines.began),
            "task": f"equilibrist/{view.problem or 'unknown'}",
            "task_id": view.name,
            "task_args": {k: v for k, v in view.config.items() if v is not None},
            "dataset": {
                "name": view.problem,
                "samples": len(rows),
                "sample_ids": [str(n) for n in sorted(rows)],
            },
            "model": str(view.config.get("proposer", "unknown")),
            "config": {"epochs": 1},
            "packages": {str(k): str(v) for k, v in view.about.get("versions", {}).items()},
            "metadata": {"session": view.name, "state": state, "games": games},
            "scorers": [{"name": "referee"}],
        },
        "plan": {"name": "proposer, critic, referee, analyst", "steps": []},
        "results": _results(len(rows), scores),
        "stats": {
            "started_at": _stamp(view.lines.began),
            "completed_at": _stamp(view.lines.time),
            "model_usage": usage or {"none": _usage(spent.input, spent.output)},
        },
    }


def _results(total: int, scores: list[float]) -> dict[str, Any]:
    metrics = {}
    if scores:
        metrics = {"max": max(scores), "mean": sum(scores) / len(scores)}
    scorer = {
        "name": "referee",
        "scorer": "referee",
        "metrics": {name: {"name": name, "value": value} for name, value in metrics.items()},
    }
    return {"total_samples": total, "completed_samples": total, "scores": [scorer]}


def _sample(view: SessionView, row: Row, systems: Mapping[str, str]) -> dict[str, Any]:
    number = row.number or 0
    record = view.experiment(number)
    told = turns(view.spoken(number))
    source = record.proposal.source if record and record.proposal else ""
    answered = [m for turn in told for m in _messages(turn, systems.get(turn.system, ""), number)]
    explanation = record.analysis.explanation if record and record.analysis else row.message
    return {
        "id": str(number),
        "epoch": 1,
        "input": row.hypothesis or "(no program was submitted)",
        "target": "",
        "messages": answered,
        "output": {
            "model": told[0].steps[0].model if told and told[0].steps else "",
            "choices": [{"message": {"role": "assistant", "content": source}, "stop_reason": "stop"}],
        },
        "scores": {
            "referee": {
                "value": row.score if row.score is not None else row.status,
                "answer": row.program_id,
                "explanation": explanation,
                "metadata": {"games": row.games, "gain": row.gain, "complete": row.complete},
            }
        },
        "metadata": {
            "status": row.status,
            "message": row.message,
            "program": row.program_id,
            "parent": row.parent_id,
            "operator": row.operator,
            "arm": row.arm,
            "verdicts": [verdict.model_dump(mode="json") for verdict in record.verdicts] if record else [],
            "lessons_in": list(row.lessons_in),
            "lessons_out": list(row.lessons_out),
        },
        "started_at": _stamp(told[0].time if told else row.time),
        "completed_at": _stamp(row.time),
    }


def _messages(turn: Turn, system: str, number: int) -> Iterator[dict[str, Any]]:
    place = f"{number}-{turn.role}-{turn.round}"
    if system:
        yield {"id": f"{place}-system", "role": "system", "content": system}
    if turn.human:
        yield {"id": f"{place}-brief", "role": "user", "content": turn.human}
    for at, step in enumerate(turn.steps, 1):
        yield _assistant(step, f"{place}-{at}")
        for i, call in enumerate(step.calls):
            if call.result is not None:
                yield {
                    "id": f"{place}-{at}-{i}-result",
                    "role": "tool",
                    "tool_call_id": f"{place}-{at}-{i}",
                    "function": call.name,
                    "content": call.result,
                }


def _assistant(step: Step, place: str) -> dict[str, Any]:
    return {
        "id": place,
        "role": "assistant",
        "source": "generate",
        "model": step.model,
        "content": step.text or step.refusal,
        "tool_calls": [
            {"id": f"{place}-{i}", "function": call.name, "arguments": call.arguments, "type": "function"}
            for i, call in enumerate(step.calls)
        ],
    }


def _usage(read: int, written: int) -> dict[str, int]:
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _stamp(time: str) -> str:
    return time.replace("Z", "+00:00") or "1970-01-01T00:00:00+00:00"
