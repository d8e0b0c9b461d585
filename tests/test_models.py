"""Names of models, keys and addresses."""

import pytest
from asking import KEY, answer, ask
from loopback import Loopback, environment

from agents.errors import ModelError
from agents.models import model_id, open_model


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
