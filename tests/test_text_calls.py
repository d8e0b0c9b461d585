"""Models without tool calls, and models that forget them."""

import json
import time

import pytest
from asking import ASK, KEY, answer, ask, endpoint
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from loopback import Loopback, environment

from agents import text_calls
from agents.models import open_model

READ_X = '{"tool": "read_program", "arguments": {"program_id": "x"}}'


def test_a_model_may_be_spoken_to_in_text_from_the_start():
    def plain(request):
        assert "tools" not in request
        return {"content": f"<think>{READ_X.replace('x', 'wrong')}</think>\n{READ_X}"}

    with Loopback(plain) as server, environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url):
        reply = ask(open_model("m", "critic", seed=1, text_calls=True))
    assert [c["args"] for c in reply.tool_calls] == [{"program_id": "x"}]


def test_a_model_that_refuses_tools_is_spoken_to_in_text():
    def plain(request):
        assert "tools" not in request
        return {"content": f"Let me see.\n```json\n{READ_X}\n```"}

    with Loopback(plain, [(400, {"x-message": "this model does not support tools"})]) as server:
        model = endpoint(server)
        assert ask(model).tool_calls[0]["args"] == {"program_id": "x"}
        history = [
            *ASK,
            AIMessage(
                content="", tool_calls=[{"name": "read_program", "args": {"program_id": "a"}, "id": "1"}]
            ),
            ToolMessage(content="{}", tool_call_id="1", name="read_program"),
            HumanMessage(content="Go on."),
        ]
        ask(model, history)
    assert len(server.requests) == 3
    said = server.requests[-1]["messages"]
    assert [m["role"] for m in said] == ["system", "user", "assistant", "user"]
    assert (
        "`submit_program`: Hand in a program. Arguments: source, hypothesis (optional)." in said[0]["content"]
    )
    assert json.loads(said[2]["content"].split("```json\n")[1].split("\n```")[0])["tool"] == "read_program"
    assert said[3]["content"] == "Result of read_program:\n{}\n\nGo on."


def wire_tools():
    with Loopback(answer) as server:
        ask(endpoint(server))
    return server.requests[0]["tools"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            '{"tool": "read_program", "arguments": {"program_id": "x"}}',
            [("read_program", {"program_id": "x"})],
        ),
        (
            'Sure!\n```\n{"name": "read_program", "args": {"program_id": "x"}}\n```\nDone.',
            [("read_program", {"program_id": "x"})],
        ),
        (
            "```json\n" + READ_X,
            [("read_program", {"program_id": "x"})],
        ),
        (
            'I {keep} it short.\n```json\n{"tool": "submit_program", "arguments": {"hypothesis": "h"}}\n```\n'
            "```python\nclass Rule:\n    x = {1: 2}\n```",
            [("submit_program", {"source": "class Rule:\n    x = {1: 2}\n", "hypothesis": "h"})],
        ),
        ('{"tool": "format_disk", "arguments": {}}', []),
        ('{"tool": ["read_program"], "arguments": {}}', []),
        ('{"tool": "read_program", "arguments": "x"}', []),
        ("No call at all, only {braces} and ```fences```.", []),
        ("", []),
        (
            READ_X + " and then " + READ_X.replace('"x"', '"y"'),
            [("read_program", {"program_id": "x"}), ("read_program", {"program_id": "y"})],
        ),
        (
            '{"tool": "submit_program", "arguments": {"source": "a\nb"}}',
            [("submit_program", {"source": "a\nb"})],
        ),
        ("{" * 3000, []),
    ],
)
def test_calls_are_read_out_of_prose_and_fences(text, found):
    parsed = text_calls.parse(text, wire_tools())
    assert [(made["name"], made["args"]) for made in parsed] == found


@pytest.mark.parametrize("text", ["```" + "a" * 10**6, "`" * 10**6, "```a " * 10**5, "<think>" * 10**5])
def test_a_model_that_repeats_itself_is_read_in_no_time(text):
    began = time.process_time()
    assert text_calls.parse(text, wire_tools()) == []
    assert time.process_time() - began < 5
