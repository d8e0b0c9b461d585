"""OpenTelemetry traces of a session, with the semantic conventions for generative AI.

A trace per experiment; in it a span ``invoke_agent ROLE`` per turn, ``chat MODEL`` per reply and
``execute_tool NAME`` per call. What was said is left out unless the conventions' own variable
``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` is ``true``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from equilibrist.errors import Failed, Usage
from equilibrist.reading.story import Step, Turn, turns
from equilibrist.reading.view import SessionView

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
BATCH = 500
"""Spans after which the processor is waited for; it holds 2,048, and an experiment has some dozens."""
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def write(view: SessionView, out: Path | None) -> str:
    """``out``: a file for the spans, one JSON object per line; None sends them to the collector."""
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

    if out is None and not os.environ.get(ENDPOINT):
        raise Usage(f"Set {ENDPOINT} to your collector's address, or give a file with --out.")
    if out is None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        sender: SpanExporter = OTLPSpanExporter()
        count = spans(view, sender)
        return f"{count} spans to {os.environ[ENDPOINT]}"
    with out.open("w", encoding="utf-8", errors="replace") as file:
        exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
        count = spans(view, exporter)
    return f"{out} ({count} spans)"


def spans(view: SessionView, exporter: Any) -> int:
    """Hand every span of the session to an exporter; returns how many there were.

    Raises:
        Failed: the exporter did not take all of them.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_span_in_context

    resource = Resource.create({"service.name": "equilibrist", "equilibrist.session": view.name})
    provider = TracerProvider(resource=resource)
    taken: Any = _Taken(exporter)
    provider.add_span_processor(BatchSpanProcessor(taken))
    tracer = provider.get_tracer("equilibrist")
    count = flushed = 0
    for row in view.experiments:
        told = turns(view.spoken(row.number or 0))
        start = _nanoseconds(told[0].time if told else row.time)
        about = {
            "equilibrist.experiment": row.number,
            "equilibrist.problem": view.problem,
            "equilibrist.status": row.status,
            "equilibrist.program.id": row.program_id,
            "equilibrist.score": row.score,
            "gen_ai.conversation.id": f"{view.name}/{row.number}",
        }
        root = tracer.start_span(f"experiment {row.number}", start_time=start, attributes=_known(about))
        for turn in told:
            count += _turn(tracer, set_span_in_context(root), turn, about["gen_ai.conversation.id"])
        root.end(max(start, _nanoseconds(row.time)))
        count += 1
        if count - flushed > BATCH:  # what is beyond the processor's queue would be dropped
            provider.force_flush()
            flushed = count
            if taken.count < count:
                break
    provider.force_flush()
    provider.shutdown()
    if taken.count < count:
        raise Failed(f"{count - taken.count} of {count} spans were not taken: is the collector there?")
    return count


class _Taken:
    """An exporter, and how many spans it took."""

    def __init__(self, exporter: Any) -> None:
        self.exporter, self.count = exporter, 0
        self.shutdown, self.force_flush = exporter.shutdown, exporter.force_flush

    def export(self, some: Sequence[Any]) -> Any:
        result = self.exporter.export(some)
        self.count += len(some) if result.name == "SUCCESS" else 0
        return result


def _turn(tracer: Any, context: Any, turn: Turn, conversation: Any) -> int:
    from opentelemetry.trace import SpanKind, set_span_in_context

    times = [_nanoseconds(turn.time), *(_nanoseconds(step.time) for step in turn.steps)]
    about = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": turn.role,
        "gen_ai.conversation.id": conversation,
        "equilibrist.round": turn.round,
    }
    agent = tracer.start_span(
        f"invoke_agent {turn.role}", context, start_time=times[0], attributes=_known(about)
    )
    inside = set_span_in_context(agent)
    for step, start, end in zip(turn.steps, times, times[1:], strict=False):
        chat = tracer.start_span(
            f"chat {step.model}",
            inside,
            SpanKind.CLIENT,
            start_time=start,
            attributes=_chat(step, conversation),
        )
        chat.end(max(start, end))
        for i, call in enumerate(step.calls):
            done: dict[str, Any] = {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": call.name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": f"{i}",
            }
            if _content():
                done |= {
                    "gen_ai.tool.call.arguments": json.dumps(call.arguments),
                    "gen_ai.tool.call.result": call.result,
                }
            tool = tracer.start_span(
                f"execute_tool {call.name}", inside, start_time=end, attributes=_known(done)
            )
            tool.end(end)
    agent.end(max(times))
    return 1 + len(turn.steps) + len(turn.calls)


def _chat(step: Step, conversation: Any) -> dict[str, Any]:
    about: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "equilibrist" if step.model == "genetic" else "openai",
        "gen_ai.request.model": step.model,
        "gen_ai.response.model": step.model,
        "gen_ai.conversation.id": conversation,
        "gen_ai.usage.input_tokens": step.usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": step.usage.get("output_tokens"),
        "equilibrist.usd": step.usd,
    }
    if _content():
        calls = [{"type": "tool_call", "name": call.name, "arguments": call.arguments} for call in step.calls]
        parts: Sequence[dict[str, Any]] = [{"type": "text", "content": step.text}, *calls]
        about["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "parts": parts}])
    return _known(about)


def _known(about: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if value is not None}


def _content() -> bool:
    return os.environ.get(CONTENT, "").lower() == "true"


def _nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1e6) * 1000
