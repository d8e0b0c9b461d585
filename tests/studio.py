"""Whole sessions on the small problem, in this very process: no subprocess, no container, no network."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from loopback import researcher
from rich.console import Console
from small import PROBLEM, InProcess

from agents.prices import Price
from agents.scripted import ScriptedModel
from equilibrist.budget import End, Meter, spent_by, total
from equilibrist.config import Config, session_record
from equilibrist.home import find_session, new_session, open_home
from equilibrist.live import Watch
from equilibrist.session import Control, Parts, conduct, model_names
from equilibrist.start import open_memory
from equilibrist.steer import Inbox
from memory.gathering import take_snapshot
from memory.journal import Journal
from memory.lessons import run_identity
from problems import PROBLEMS

PROBLEMS["small"] = replace(PROBLEM, referee="small", rule="small")
USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
"""Of every reply."""
PRICES = {"dear": Price(input=10.0, output=100.0), "free": Price(input=0, output=0)}
COST = 0.02
"""US dollars of one reply of the model ``dear``."""


def thinker(name: str = "dear", play: Any = researcher) -> ScriptedModel:
    """A model without latency that plays all roles as ``loopback.researcher`` does."""

    def answer(messages: list[BaseMessage]) -> AIMessage:
        roles = {"human": "user", "ai": "assistant"}
        said = [{"role": roles.get(m.type, m.type), "content": m.text} for m in messages]
        made = play({"messages": said})
        calls = [_call(call["function"], call["id"]) for call in made["tool_calls"]]
        return AIMessage(content="", tool_calls=calls, usage_metadata=USAGE)

    return ScriptedModel(replies=[answer], name_shown=name)


def _call(function: dict[str, str], name: str) -> dict[str, Any]:
    import json

    return {
        "name": function["name"],
        "args": json.loads(function["arguments"]),
        "id": name,
        "type": "tool_call",
    }


class Studio:
    """A home with sessions; what runs in it can be asked afterwards."""

    def __init__(self, home: Path) -> None:
        self.home = open_home(home)
        self.sandbox = InProcess()
        self.asked = threading.Event()
        self.models: dict[str, Any] = {}

    def start(self, **settings: Any) -> tuple[str, End]:
        config = Config.model_validate({"problem": "small", "proposer": "dear", **ROLES, **settings})
        run = run_identity(config.problem, config.seed, config.identity())
        folder = new_session(self.home, "small")
        snapshot = take_snapshot(self.home, run).model_dump(mode="json")
        with Journal.create(folder, session_record(config, run=run, memory=snapshot)) as journal:
            return folder.name, self.conduct(journal, config)

    def resume(self, name: str, **settings: Any) -> End:
        with Journal.open(self.folder(name)) as journal:
            config = Config.model_validate({**journal.session["config"], **settings})
            return self.conduct(journal, config)

    def conduct(self, journal: Journal, config: Config) -> End:
        for name in model_names(config):
            self.models.setdefault(name, thinker(name))
        watch = Watch(Console(quiet=True), config)
        self.watch = watch
        meter = Meter(config, PRICES, total(spent_by(journal)), watch.spend)
        control = Control(meter, Inbox(journal), self.asked)
        memory = open_memory(self.home, journal)
        return conduct(Parts(self.home, journal, config, memory, self.sandbox, self.models, watch, control))

    def folder(self, name: str) -> Path:
        return find_session(self.home, name)

    def journal(self, name: str) -> Journal:
        return Journal.view(self.folder(name))


ROLES = {"critic": "dear", "analyst": "dear"}
