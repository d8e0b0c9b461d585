"""What endpoints send, read with patience."""

import time

import pytest
from asking import ASK, ask, endpoint
from langchain_core.messages import ToolMessage
from loopback import Loopback, call

from agents import replies


def test_broken_arguments_come_back_as_an_invalid_call():
    with Loopback(lambda request: call("read_program", '{"program_id": ')) as server:
        reply = ask(endpoint(server))
    assert reply.tool_calls == []
    assert reply.invalid_tool_calls[0]["name"] == "read_program"


NESTED = "[" * 100_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("[1]", "not an object but list"),
        ("by all means", "Expecting value"),
        (f'{{"program_id": {"9" * 5000}}}', "digits"),
        (NESTED, "recursion"),
        ('{"program_id": "' + "x" * 300_000 + '"}', "far too many"),
    ],
    ids=["list", "prose", "a huge number", "nested", "a megabyte"],
)
def test_arguments_that_cannot_be_read_are_told_to_the_model(arguments, told):
    with Loopback(lambda request: call("read_program", arguments)) as server:
        reply = ask(endpoint(server))
    assert reply.tool_calls == []
    assert told in reply.invalid_tool_calls[0]["error"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "arguments",
    ['"{\\"program_id\\": \\"abc\\"}"', {"program_id": "abc"}, '{"program_id": "abc"}'],
    ids=["quoted twice", "an object", "text"],
)
def test_arguments_in_any_form_that_can_be_read_are(arguments):
    def bent(request):
        function = {"name": "read_program", "arguments": arguments}
        return {"tool_calls": [{"type": "function", "function": function}, "junk", {"function": None}]}

    with Loopback(bent) as server:
        reply = ask(endpoint(server))
    assert [(c["name"], c["args"]) for c in reply.tool_calls] == [("read_program", {"program_id": "abc"})]
    assert len(reply.invalid_tool_calls) == 2


def test_half_characters_and_numbers_that_are_none_do_no_harm():
    text = '{"program_id": "\\ud800", "effect": NaN}'
    with Loopback(lambda request: {**call("read_program", text), "content": "a\ud800b"}) as server:
        model = endpoint(server)
        reply = ask(model)
        assert reply.tool_calls[0]["args"] == {"program_id": "\ufffd", "effect": None}
        answered = ToolMessage(content="{}", tool_call_id=reply.tool_calls[0]["id"], name="read_program")
        ask(model, [*ASK, reply, answered])
    assert server.requests[1]["messages"][2]["content"] == "a\ufffdb"


def test_half_a_character_in_the_name_of_a_tool_does_no_harm():
    """The name comes back to the model in the next request, which must be one that can be sent."""
    bad = {"function": {"name": "\ud800" * 200, "arguments": "{"}}
    with Loopback(lambda request: {"tool_calls": [bad]}) as server:
        reply = ask(endpoint(server))
    assert reply.invalid_tool_calls[0]["name"] == "\ufffd" * 100


def test_a_reply_without_end_is_cut_and_says_so():
    with Loopback(lambda request: {"content": "word " * 400_000}) as server:
        reply = ask(endpoint(server))
    assert len(reply.text) < 70_000
    assert reply.text.endswith("[cut: the reply had 2,000,000 characters]")


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -5, "completion_tokens": 3},
        {"prompt_tokens": "many"},
        {"prompt_tokens": 10**400, "completion_tokens": 3},
        [1],
        "none",
    ],
    ids=lambda usage: str(usage)[:40],
)
def test_usage_that_cannot_be_is_reckoned_from_the_length(usage):
    with Loopback(lambda request: {"content": "x" * 4000, "usage": usage}) as server:
        reply = ask(endpoint(server))
    assert 900 < reply.usage_metadata["output_tokens"] < 1100
    assert reply.usage_metadata["input_tokens"] > 0


@pytest.mark.parametrize(("piece", "seconds"), [("drip ", 0.2), ("z" * 100_000, 60.0)])
def test_a_stream_without_end_is_cut_and_kept(piece, seconds):
    def endless():
        while True:
            time.sleep(0.01)
            yield {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}

    reply = replies.read(replies.assembled(endless(), lambda length: None, seconds))
    assert reply.text.startswith(piece)
    assert reply.response_metadata["finish"] == "length"
