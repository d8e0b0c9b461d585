"""Chat models on a wire that goes wrong."""

import base64
import time
import traceback

import pytest
from asking import ASK, KEY, answer, ask, endpoint, read_program, submit_program
from loopback import Loopback, call, environment

from agents.errors import ContextOverflow, GivenUp, ModelError
from agents.models import attach, open_model


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
        with pytest.raises(GivenUp, match="stopped") as given_up:
            ask(model)
    assert isinstance(given_up.value.__cause__, KeyError)
    assert given_up.value.faults == ["429 Too Many Requests"]
    assert KEY not in "".join(traceback.format_exception(given_up.value)), (
        "the server's words are in no trace"
    )


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
    with Loopback(talking, [None, "cut", (429, {"Retry-After": "0"}), "cut_body", "cut_stream"]) as server:
        whole = ask(endpoint(server))
        streamed = streaming(server, heard).invoke(ASK, {"metadata": {"experiment": 7}})
    assert (streamed.text, streamed.usage_metadata) == (whole.text, whole.usage_metadata)
    assert [c["args"] for c in streamed.tool_calls] == [{"program_id": "abc"}]
    assert streamed.response_metadata["tries"] == 5
    assert {number for number, _ in heard} == {7}
    assert [count for _, count in heard] == sorted(count for _, count in heard)
    assert heard[-1][1] == len(whole.text) + len('{"program_id": "abc"}')


def test_broken_arguments_of_a_stream_are_not_mended_in_silence():
    with Loopback(lambda request: call("read_program", '{"program_id": "ab')) as server:
        reply = streaming(server, []).invoke(ASK)
    assert reply.tool_calls == []
    assert reply.invalid_tool_calls[0]["name"] == "read_program"


def test_a_server_that_does_not_stream_is_understood_all_the_same():
    with Loopback(answer) as server:
        server.streams = False
        model = streaming(server, [])
        assert model.invoke(ASK).tool_calls
        server.streams = True
        server.faults = ["plain", None, (400, {"x-message": "stream_options is not supported"})]
        server.streams = False
        assert model.invoke(ASK).response_metadata["faults"] == ["garbled reply"]
        assert model.invoke(ASK).tool_calls
    streamed = [request.get("stream", False) for request in server.requests]
    assert streamed[:1] == [True], "an answer that is whole is paid for, and is not asked for again"
    assert streamed[1:3] == [True, False], "where nothing can be read, the same reply is asked for whole"
    assert streamed[3:] == [True, False], "the next is streamed, until the server refuses"
