"""A session made again from its record, with neither model nor sandbox, and compared byte for byte.

Taken from the record: ``session.json``, what came from outside (``INPUTS``: model replies, the sandbox's
outcomes, what people said, marks of start and end), and of every other event its number and time. Made again
by the session's own code: the data of every other event (prompts, tool results, recalls, baselines,
experiments, lessons, credits) and the files of the programs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.scripted import ScriptedModel
from equilibrist.bring import restore
from equilibrist.budget import Halted, Meter, Spent
from equilibrist.config import Config
from equilibrist.errors import Failed, Usage
from equilibrist.home import find_session, open_home
from equilibrist.live import Watch
from equilibrist.session import Control, Parts, conduct, model_names
from equilibrist.start import open_memory
from equilibrist.steer import Inbox
from memory.events import Event, decode, encode
from memory.files import write_atomically
from memory.journal import Journal
from sandbox.job import Job, Outcome

AFTERWARDS = ("confirmation", "distillation", "finalists")
"""What commands write about a session's programs; the session itself neither makes nor reads it."""
INPUTS = frozenset(
    {
        "reply",
        "unanswered",
        "outcome",
        "begun",
        "steer",
        "program",
        "approval",
        "started",
        "ended",
        "attacks",
        "gpu",
        *AFTERWARDS,
    }
)


@dataclass(frozen=True)
class Replayed:
    folder: str
    made: int
    """Lines of the journal that were made again."""
    taken: int
    """Lines that are the session's input, or an experiment of the session that it was forked from."""
    programs: int
    """Files of programs, all made again."""


class Rerun(Journal):
    """Answers for what came from outside with what the source's record says, and keeps what is made again.

    Raises Halted when something is asked that the record does not hold: there it ends.
    """

    def __init__(self, source: Journal, folder: Path) -> None:
        super().__init__(folder, -1, None)
        self._source = source
        self._made: dict[tuple[str, str | None], Event] = {}
        forked = source.session.get("forked")
        self.given = int(forked["at"]) if forked else 0
        """Experiments that are input, because the session was forked after them."""
        for event in source.events("experiment"):
            if event.data["number"] <= self.given:
                self._made[event.kind, event.key] = event
                if event.data["proposal"]:
                    self.save_program(event.data["proposal"]["source"])

    def recorded(self, kind: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with self._one_at_a_time((kind, key)):
            found = self.find(kind, key)
            if found is None and kind in INPUTS:
                found = self._source.find(kind, key)
                if found is None:
                    raise Halted("done")
                self._made[kind, key] = found
            return (found or self.append(kind, key, **compute())).data

    def extend(
        self, events: Sequence[tuple[str, str | None, dict[str, Any]]], worth: float = math.inf
    ) -> list[Event]:
        made = []
        for kind, key, data in events:
            old = self._source.find(kind, key or "")
            n, time = (old.n, old.time) if old else (len(self._source) + 1, "")
            event = decode(encode(n, kind, key, data, time))
            self._made.setdefault((kind, key), event)
            made.append(event)
        return made

    def find(self, kind: str, key: str) -> Event | None:
        return self._made.get((kind, key))

    def events(self, *kinds: str) -> Iterator[Event]:
        chosen = [event for event in self._made.values() if not kinds or event.kind in kinds]
        return iter(sorted(chosen, key=lambda event: event.n))

    def lines(self) -> Iterator[tuple[Event, bytes | None]]:
        """The source's events in order, each with its line as it was made again, None if it was not."""
        for event in self._source.events():
            made = event if self.is_input(event) else self._made.get((event.kind, event.key))
            line = None if made is None else encode(event.n, event.kind, event.key, made.data, event.time)
            yield event, line

    def is_input(self, event: Event) -> bool:
        is_given = event.kind == "experiment" and event.data["number"] <= self.given
        return event.kind in INPUTS or is_given


class _Closed:
    """The sandbox of a replay, which runs nothing."""

    name, about, slots = "none", "runs nothing", 1
    uncovered: tuple[str, ...] = ()

    def run(self, job: Job) -> Outcome:
        raise Halted("done")

    def close(self) -> None: ...


def replay(home: Path, name: str, into: Path | None) -> Replayed:
    """Make a session again in ``into/<session>`` (``<home>/replays`` if None).

    Raises:
        Usage: there is no such session, or the new folder exists.
        Failed: something came out otherwise than it was recorded; the message says what, and where.
    """
    home = open_home(home)
    source = Journal.view(find_session(home, name))
    folder = (into or home / "replays") / source.folder.name
    if folder.exists():
        raise Usage(f"{folder} exists. Remove it, or choose another place with --into.")
    (folder / "programs").mkdir(parents=True)
    write_atomically(folder / "session.json", (source.folder / "session.json").read_bytes())
    rerun = Rerun(source, folder)
    note = _run(home, source, rerun)
    return _compared(source, rerun, note)


def _run(home: Path, source: Journal, rerun: Rerun) -> str:
    """Conduct the session once more. Returns what memory has to say about it."""
    last = max((event.data["number"] for event in source.events("begun")), default=0)
    unlimited = {
        "experiments": max(1, last, rerun.given),
        "evaluations": None,
        "minutes": None,
        "usd": None,
        "tokens": None,
        "gpu_seconds": None,
    }
    config = Config.model_validate({**source.session["config"], **unlimited})
    restore(source.folder, config.games)
    models = {name: ScriptedModel(replies=[], name_shown=name) for name in model_names(config)}
    watch = Watch(Console(), config, quiet=True)
    meter = Meter(config, {}, Spent(), watch.spend)
    control = Control(meter, Inbox(rerun), threading.Event())
    memory = open_memory(home, rerun)
    try:
        conduct(Parts(home, rerun, config, memory, _Closed(), models, watch, control))
    except Halted:
        pass  # the record ends among the baselines
    return memory.note


def _compared(source: Journal, rerun: Rerun, note: str) -> Replayed:
    """Write the journal as it was made again, and compare it with the source, line by line, file by file."""
    lines = list(rerun.lines())
    text = b"".join(line + b"\n" for _, line in lines if line is not None)
    write_atomically(rerun.folder / "journal.jsonl", text)
    original = (source.folder / "journal.jsonl").read_bytes().split(b"\n")
    for (event, line), old in zip(lines, original, strict=False):
        if line != old:
            raise Failed(_difference(event, line, rerun.folder) + (f" {note}." if note else ""))
    ours, theirs = _programs(rerun.folder), _programs(source.folder)
    if any(theirs.get(name) != content for name, content in ours.items()):
        raise Failed(f"A program came out otherwise: compare {rerun.folder} and {source.folder}.")
    taken = sum(rerun.is_input(event) for event, _ in lines)
    return Replayed(str(rerun.folder), len(lines) - taken, taken, len(ours))


def _programs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "programs").glob("*.py")}


def _difference(event: Event, line: bytes | None, folder: Path) -> str:
    about = {k: event.data[k] for k in ("number", "experiment", "role", "name") if k in event.data}
    told = ", ".join(f"{k} {v}" for k, v in about.items() if isinstance(v, str | int))
    where = f"line {event.n}: {event.kind} ({told or event.key})"
    if line is None:
        return (
            f"The replay went another way than the session, {where} was not made again. Were the programs of "
            f"Equilibrist changed since? What was made is in {folder}."
        )
    made = decode(line).data
    names = [k for k in {**made, **event.data} if made.get(k) != event.data.get(k)]
    return f"The replay came out otherwise, {where}, in {', '.join(names) or 'form'}: compare with {folder}."
