"""A server on loopback that speaks the OpenAI wire protocol, chat completions with tool calls.

``with Loopback(answer) as server:`` serves at ``server.url``; ``answer(request) -> message`` gets a request's
JSON and returns the assistant's message; ``usage`` and ``finish`` in it replace what is told beside it. A
request for a stream gets one, unless ``server.streams`` is False. ``server.faults`` says what to do instead,
request by request: None, ``(status, headers)``, ``cut``, ``cut_body``, ``cut_stream``, ``garbage``, ``html``,
``error_body``, ``no_choices``, ``null_choices``, ``plain`` (a wrong content type), ``slow``, ``echo_key``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[str, Any]
Fault = str | tuple[int, dict[str, str]] | None


class Loopback:
    def __init__(self, answer: Callable[[Message], Message], faults: list[Fault] | None = None) -> None:
        self.answer = answer
        self.faults = list(faults or [])
        self.requests: list[Message] = []
        self.streams = True
        self.keys: list[str] = []
        """Authorization header of each request."""
        self.wrong: list[Exception] = []
        """What ``answer`` raised: a fault of the test, which the client would take for one of the wire."""
        self.guard = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> Loopback:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        if self.wrong:
            raise self.wrong[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, address: object) -> None:
        """A client that hung up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    owner: Loopback
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.owner.guard:
            self.owner.requests.append(request)
            self.owner.keys.append(key)
            fault = self.owner.faults.pop(0) if self.owner.faults else None
        if wrong := _misuse(request["messages"]):
            fault = (400, {"x-message": wrong})
        if not self._failed(fault, key):
            self._answer(request, key, fault)

    def _failed(self, fault: Fault, key: str) -> bool:
        """Whether the fault took the place of an answer."""
        if isinstance(fault, tuple):
            error = {
                "error": {"message": f"fault for {key}: {fault[1].get('x-message', '')}", "type": "fault"}
            }
            error["error"]["code"] = fault[1].get("x-code", "")
            self._send(fault[0], json.dumps(error), fault[1])
        elif fault == "cut":
            # RST instead of an orderly end, as when a proxy dies
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif fault in ("cut_body", "cut_stream"):
            kind = "application/json" if fault == "cut_body" else "text/event-stream"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            self.close_connection = True
        elif fault == "error_body":
            self._send(200, json.dumps({"error": {"message": f"upstream died, key {key}", "code": 502}}))
        elif fault in ("garbage", "html"):
            self._send(200, '{"choices": [{"mess' if fault == "garbage" else "<html>Bad gateway</html>")
        elif fault in ("no_choices", "null_choices"):
            self._send(200, json.dumps(_completion([] if fault == "no_choices" else None)))
        else:
            return False
        return True

    def _answer(self, request: Message, key: str, fault: Fault) -> None:
        if fault == "slow":
            time.sleep(1.0)
        try:
            message = {"role": "assistant", "content": None, **self.owner.answer(request)}
        except Exception as error:
            self.owner.wrong.append(error)
            raise
        if fault == "echo_key":
            message["content"] = f"Your key is {key}."
        usage, finish = message.pop("usage", USAGE), message.pop("finish", "stop")
        choice = {"index": 0, "message": message, "finish_reason": finish}
        if request.get("stream") and self.owner.streams:
            self._stream(choice, usage)
        else:
            kind = {"Content-Type": "text/plain"} if fault == "plain" else {}
            self._send(200, json.dumps({**_completion([choice]), "usage": usage}), kind)

    def _stream(self, choice: Message, usage: Any) -> None:
        """The message in pieces of a few characters."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        message = choice["message"]
        deltas = [{"role": "assistant", "content": piece} for piece in _pieces(message.get("content") or "")]
        for index, made in enumerate(message.get("tool_calls") or []):
            function = made["function"]
            head = {"name": function["name"], "arguments": ""}
            deltas.append({"tool_calls": [{"index": index, "id": made["id"], "function": head}]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in _pieces(function["arguments"])
            ]
        chunks = [_completion([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
        chunks.append(_completion([{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]))
        for chunk in chunks:
            chunk.pop("usage")
        for chunk in [*chunks, {**_completion([]), "usage": usage}]:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        kind = "text/html" if body.startswith("<") else "application/json"
        self.send_header("Content-Length", str(len(body.encode())))
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def _completion(choices: list[Any] | None) -> Message:
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": USAGE,
    }


def _misuse(messages: list[Message]) -> str:
    """What a strict endpoint would refuse: calls without answers, answers without calls, empty messages, and
    names that no tool can have."""
    open_calls: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return f"tool message for unknown call {message['tool_call_id']}"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"calls without an answer: {open_calls}"
        made_calls = message.get("tool_calls") or []
        if odd := [c for c in made_calls if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", c["function"]["name"])]:
            return f"no name of a function: {odd[0]['function']['name']!r}"
        open_calls = [made["id"] for made in made_calls]
        if not open_calls and not message.get("content"):
            return f"empty {message['role']} message"
    return ""


def call(name: str, arguments: dict[str, Any] | str, number: int = 0) -> Message:
    """An assistant's message with one tool call; a string stands for raw, perhaps broken, arguments."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "tool_calls": [
            {"id": f"id{number}", "type": "function", "function": {"name": name, "arguments": text}}
        ]
    }


def researcher(request: Message) -> Message:
    """A language model of few gifts: plays all three roles, each turn in two replies, by its brief alone.

    Its programs are their parent with one more class attribute, so it works on any problem whose programs
    define ``class Rule``.
    """
    human = next(m["content"] for m in request["messages"] if m["role"] == "user")
    brief = json.loads(human.split("```json\n")[1].split("\n```")[0])
    first = not any(m["role"] in ("assistant", "tool") for m in request["messages"])
    if brief["role"] == "proposer":
        if first:
            return call("read_program", {"program_id": brief["parent_id"]})
        source = json.loads(next(m["content"] for m in request["messages"] if m["role"] == "tool"))["source"]
        marked = re.sub(r"class Rule.*:", rf"\g<0>\n    VARIANT = {brief['experiment']}", source, count=1)
        return call("submit_program", {"source": marked, "hypothesis": "A mark changes nothing."})
    if first:
        return call("read_program", {"program_id": brief["program_id"]})
    if brief["role"] == "critic":
        return call("give_verdict", {"decision": "approve", "reasons": "Cheap to test."})
    lesson = {"text": "An unused attribute has no effect.", "kind": "insight", "effect": 0.0}
    return call("submit_analysis", {"explanation": "Nothing changed, as said.", "lessons": [lesson]})


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Environment variables for a while; None takes one away."""
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
