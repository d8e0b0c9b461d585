"""A chat model with two tools at a loopback server, asked once."""

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from loopback import call

from agents.endpoint import Endpoint

KEY = "sk-canary-1234567890"


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
