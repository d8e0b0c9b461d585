"""Chat models on a wire that goes wrong."""

import json
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from loopback import Loopback, call, environment

from agents import text_calls
from agents.endpoint import Endpoint
from agents.errors import ContextOverflow, ModelError
from agents.models import model_id, open_model

KEY = "sk-canary-1234567890"
READ_X = '{"tool": "read_program", "arguments": {"program_id": "x"}}'
ASK = [SystemMessage(content="You are a test."), HumanMessage(content="Go.")]


@tool
def submit_program(source: str, hypothesis: str = "") -> str:
    """Hand in a program."""
    return source


@tool
def read_program(program_id: str) -> str:
    """Read a program."""
    return program_id


def answer(request):
    return call("read_program", {"program_id": "abc"})


def endpoint(server, **options):
    settings = {"first_wait": 0.005, "timeout": 0.3, "max_retries": 0, "use_responses_api": False, **options}
    return Endpoint(model="m", api_key=KEY, base_url=server.url, **settings)


def ask(model, messages=ASK):
    return model.bind_tools([read_program, submit_program]).invoke(messages)


@pytest.mark.parametrize(
    "faults",
    [
        [(429, {"Retry-After": "0"})],
        [(500, {}), (503, {})],
        ["cut", "cut"],
        ["garbage", "html"],
        ["no_choices", "null_choices"],
        ["slow"],
        [(408, {}), (529, {}), (502, {})],
    ],
    ids=str,
)
def test_a_fault_of_the_wire_costs_a_try_and_no_more(faults):
    with Loopback(answer, faults) as server:
        reply = ask(endpoint(server))
    assert reply.tool_calls[0]["args"] == {"program_id": "abc"}
    assert reply.response_metadata["tries"] == len(faults) + 1 == len(server.requests)
    assert reply.usage_metadata["total_tokens"] == 110


def test_retry_after_is_waited_for_up_to_a_ceiling():
    with Loopback(answer, [(429, {"Retry-After": "0.3"}), (429, {"Retry-After": "9999"})]) as server:
        started = time.monotonic()
        ask(endpoint(server, longest_wait=0.4))
        assert 0.6 < time.monotonic() - started < 20.0


@pytest.mark.parametrize(
    ("faults", "requests", "told"),
    [
        ([(500, {})] * 9, 4, "4 tries"),
        ([(401, {})], 1, "Authentication"),
        ([(404, {})], 1, "NotFound"),
        ([(400, {"x-message": "bad seed"})], 1, "bad seed"),
        ([(429, {"x-code": "insufficient_quota"})], 1, "RateLimit"),
        (["cut"] * 9, 4, "Connection"),
        (["html"] * 9, 4, "html"),
    ],
    ids=str,
)
def test_a_model_that_does_not_answer_is_told_to_people_without_the_key(faults, requests, told):
    with Loopback(answer, faults) as server, pytest.raises(ModelError, match=told) as failure:
        ask(endpoint(server, tries=4))
    assert len(server.requests) == requests
    assert KEY in server.keys
    assert KEY not in str(failure.value)
    assert failure.value.__cause__ is None


def test_a_full_context_has_its_own_error():
    fault = (400, {"x-message": "context_length_exceeded"})
    with Loopback(answer, [fault]) as server, pytest.raises(ContextOverflow):
        ask(endpoint(server))


def test_an_endpoint_that_repeats_the_key_does_not_get_it_into_the_reply():
    with Loopback(lambda request: call("read_program", {"program_id": KEY}), ["echo_key"]) as server:
        reply = ask(endpoint(server))
    assert KEY not in repr(reply)
    assert reply.text == "Your key is [key]."
    assert reply.tool_calls[0]["args"] == {"program_id": "[key]"}
    assert KEY not in repr(endpoint(server))


def test_broken_arguments_come_back_as_an_invalid_call():
    with Loopback(lambda request: call("read_program", '{"program_id": ')) as server:
        reply = ask(endpoint(server))
    assert reply.tool_calls == []
    assert reply.invalid_tool_calls[0]["name"] == "read_program"


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


def test_a_missing_key_is_named_unless_the_endpoint_is_on_this_machine():
    none = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "OPENAI_API_BASE": None}
    with environment(**none), pytest.raises(ModelError, match="OPENAI_API_KEY"):
        open_model("some-model", "critic", seed=1)
    with (
        environment(**none | {"OPENAI_BASE_URL": "https://example.org/v1"}),
        pytest.raises(ModelError, match="critic"),
    ):
        open_model("some-model", "critic", seed=1)
    with (
        environment(**none | {"OPENAI_BASE_URL": "example.org"}),
        pytest.raises(ModelError, match="no web address"),
    ):
        open_model("some-model", "critic", seed=1)


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_both_spellings_of_the_address_are_honoured(variable):
    with Loopback(answer) as server:
        settings = {
            "OPENAI_API_KEY": None,
            "OPENAI_BASE_URL": None,
            "OPENAI_API_BASE": None,
            variable: server.url,
        }
        with environment(**settings):
            model = open_model("local-model", "proposer", seed=7)
            assert ask(model).tool_calls
    assert server.requests[0]["model"] == "local-model"
    assert server.keys == ["none"]
    assert model_id(model) == "local-model"


def test_the_key_of_the_environment_is_sent():
    with Loopback(answer) as server, environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url):
        ask(open_model("m", "analyst", seed=1))
    assert server.keys == [KEY]
