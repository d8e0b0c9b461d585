"""Chat models on a wire that goes wrong."""

import base64
import json
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from loopback import Loopback, call, environment

from agents import replies, text_calls
from agents.endpoint import Endpoint
from agents.errors import ContextOverflow, ModelError
from agents.models import attach, model_id, open_model

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
    settings = {"first_wait": 0.005, "timeout": 0.3, "max_retries": 0, "use_responses_api": False}
    return Endpoint(model="m", base_url=server.url, **{"api_key": KEY, **settings, **options})


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
        ["cut_body", "error_body"],
        [(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), (429, {"Retry-After": "soon"})],
        [(429, {"Retry-After": "-5"}), (503, {"Retry-After": "nan"}), (429, {"retry-after-ms": "3"})],
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


@pytest.mark.parametrize("key", ["x", "EMPTY", "none"])
def test_what_is_no_secret_is_blotted_out_of_no_program(key):
    """Local servers ask for no key, and their users give any."""
    with Loopback(lambda request: call("submit_program", {"source": "x = EMPTY or none"})) as server:
        reply = ask(endpoint(server, api_key=key))
    assert reply.tool_calls[0]["args"] == {"source": "x = EMPTY or none"}


def test_a_password_in_the_address_is_blotted_out_as_a_key_is():
    sent = base64.b64encode(b"me:p4ssw0rd/long").decode()
    with Loopback(lambda request: {"content": f"p4ssw0rd/long, p4ssw0rd%2Flong, {sent}"}) as server:
        address = server.url.replace("//", "//me:p4ssw0rd%2Flong@")
        with environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=address):
            reply = ask(open_model("m", "proposer", seed=0))
    assert reply.text == "[OPENAI_BASE_URL], [OPENAI_BASE_URL], [OPENAI_BASE_URL]"
    wrong = environment(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="me:p4ssw0rd@host/v1")
    with wrong, pytest.raises(ModelError, match="no web address: 'host/v1'"):
        open_model("m", "proposer", seed=0)


def test_a_key_that_is_repeated_where_no_text_belongs_is_blotted_out_too():
    bad = {"function": {"name": f"tool {KEY}", "arguments": "{"}}
    with Loopback(lambda request: {"tool_calls": [bad], "finish": f"stop {KEY}"}) as server:
        reply = ask(endpoint(server))
    assert KEY not in repr(reply)
    assert reply.invalid_tool_calls[0]["name"] == "tool [key]"
    assert reply.response_metadata["finish"] == "stop [key]"


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


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000."),
        (400, "prompt is too long: 215000 tokens > 200000 maximum"),
        (400, "Input is too long for requested model."),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "Requested tokens (9000) exceed context window of 8192"),
        (400, "Please reduce the length of the messages or completion."),
        (422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 and 512"),
        (400, "Range of input length should be [1, 30720]"),
        (400, "Invalid request: Your request exceeded model token limit: 131072"),
        (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
        (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
        (413, "Request Entity Too Large"),
        (429, "Request too large for m on tokens per min (TPM): Limit 10000. The input must be reduced."),
        (500, "context size exceeded"),
    ],
    ids=str,
)
def test_a_full_context_is_understood_in_every_vendors_words(status, words):
    with Loopback(answer, [(status, {"x-message": words})]) as server, pytest.raises(ContextOverflow):
        ask(endpoint(server))
    assert len(server.requests) == 1


def test_a_full_context_that_speaks_of_tools_is_no_refusal_of_tools():
    words = "This model's maximum context length is 8192 tokens (8000 in the messages, 1000 in the tools)."
    with Loopback(answer, [(400, {"x-message": words})]) as server:
        model = endpoint(server)
        with pytest.raises(ContextOverflow) as failure:
            ask(model)
    assert failure.value.faults == ["context overflow"]
    assert not model.without_tools


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "Invalid value for temperature"), (404, "The model m does not exist"), (401, "Bad key")],
)
def test_what_is_no_full_context_is_not_taken_for_one(status, words):
    with Loopback(answer, [(status, {"x-message": words})]) as server, pytest.raises(ModelError) as failure:
        ask(endpoint(server))
    assert not isinstance(failure.value, ContextOverflow)


def test_a_json_body_under_a_wrong_content_type_is_read():
    with Loopback(answer, ["plain"]) as server:
        assert ask(endpoint(server)).response_metadata["tries"] == 1


def test_a_wait_ends_when_nobody_waits():
    def stop():
        raise KeyError("stopped")

    with Loopback(answer, [(429, {"Retry-After": "60"})]) as server:
        model = endpoint(server)
        attach(model, stop, None)
        with pytest.raises(KeyError, match="stopped"):
            ask(model)


def test_faults_are_named_in_the_order_in_which_they_came():
    with Loopback(
        answer, [(429, {"Retry-After": "0"}), "cut", "html", (503, {}), "slow", (529, {})]
    ) as server:
        reply = ask(endpoint(server))
    faults = reply.response_metadata["faults"]
    assert faults == [
        "429 Too Many Requests",
        "connection lost",
        "garbled reply",
        "503 Service Unavailable",
        "time-out",
        "529",
    ]


def streaming(server, heard):
    model = endpoint(server)
    attach(model, lambda: None, lambda number, characters: heard.append((number, characters)))
    return model.bind_tools([read_program, submit_program])


def test_a_streamed_reply_is_the_same_and_tells_how_far_it_is():
    def talking(request):
        return {**call("read_program", {"program_id": "abc"}), "content": "Let me see what there is."}

    heard = []
    with Loopback(talking, [None, "cut", (429, {"Retry-After": "0"})]) as server:
        whole = ask(endpoint(server))
        streamed = streaming(server, heard).invoke(ASK, {"metadata": {"experiment": 7}})
    assert (streamed.text, streamed.usage_metadata) == (whole.text, whole.usage_metadata)
    assert [c["args"] for c in streamed.tool_calls] == [{"program_id": "abc"}]
    assert streamed.response_metadata["tries"] == 3
    assert {number for number, _ in heard} == {7}
    assert [count for _, count in heard] == sorted(count for _, count in heard)
    assert heard[-1][1] == len(whole.text) + len('{"program_id": "abc"}')


@pytest.mark.parametrize(("piece", "seconds"), [("drip ", 0.2), ("z" * 100_000, 60.0)])
def test_a_stream_without_end_is_cut_and_kept(piece, seconds):
    def endless():
        while True:
            time.sleep(0.01)
            yield {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}

    reply = replies.read(replies.assembled(endless(), lambda length: None, seconds))
    assert reply.text.startswith(piece)
    assert reply.response_metadata["finish"] == "length"


def test_broken_arguments_of_a_stream_are_not_mended_in_silence():
    with Loopback(lambda request: call("read_program", '{"program_id": "ab')) as server:
        reply = streaming(server, []).invoke(ASK)
    assert reply.tool_calls == []
    assert reply.invalid_tool_calls[0]["name"] == "read_program"


def test_a_server_that_does_not_stream_is_asked_the_plain_way():
    with Loopback(answer) as server:
        server.streams = False
        assert streaming(server, []).invoke(ASK).tool_calls
    assert [request.get("stream", False) for request in server.requests] == [True, False]
    with Loopback(answer, [(400, {"x-message": "stream_options is not supported"})]) as server:
        assert streaming(server, []).invoke(ASK).tool_calls


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
