"""How people reach into a session: notes in its ``inbox`` folder, from any terminal, read by the session.

A session's journal has one writer, so a second terminal leaves a file and the session takes it into the
journal when the next experiment begins. What a note did is therefore replayed with everything else.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from equilibrist.errors import Usage
from memory.archive import Archive
from memory.files import write_atomically
from memory.journal import Journal
from memory.records import Proposal, Verdict, program_id
from sandbox.job import Record
from tools.novelty import similarity

Kind = Literal["steer", "program", "approval"]
PAUSE = "pause"


class Begun(Record):
    """What people had said when an experiment began."""

    number: int
    steering: tuple[str, ...] = ()
    given: Proposal | None = None
    """A program handed in by a person, to be this experiment."""
    note: str = ""
    """The note that the program came in."""


def leave(session: Path, kind: Kind, data: dict[str, Any]) -> None:
    """Leave a note for the session in this folder."""
    folder = session / "inbox"
    folder.mkdir(exist_ok=True)
    name = f"{time.time_ns()}-{os.getpid()}.{kind}.json"
    write_atomically(folder / name, json.dumps(data, ensure_ascii=False).encode())


def pause(session: Path) -> None:
    """Ask the session to end as soon as what is in flight is done."""
    (session / "inbox").mkdir(exist_ok=True)
    (session / "inbox" / PAUSE).touch()


def proposal(archive: Archive, source: str, hypothesis: str, parent: str) -> Proposal:
    """A person's program as a proposal; ``parent`` is an id or a name, empty for the most similar program.

    Raises:
        Usage: the hypothesis is empty, or the archive has no such parent.
    """
    if not hypothesis.strip():
        raise Usage("The hypothesis is empty. Say what the change should do, and what would refute it.")
    entries = archive.entries
    if parent:
        known = entries.get(parent) or archive.named(parent)
        if known is None:
            raise Usage(f"There is no program {parent!r} in the session.")
    else:
        known = max(entries.values(), key=lambda entry: similarity(entry.source, source), default=None)
    return Proposal(
        program_id=program_id(source),
        source=source,
        hypothesis=hypothesis.strip(),
        parent_id=known.program_id if known else None,
        operator="human",
    )


def waiting(journal: Journal) -> dict[str, dict[str, Any]]:
    """The programs that wait for a person, by the key under which to answer: {number, proposal}."""
    decided = {event.key for event in journal.events("approval")}
    left = {
        json.loads(path.read_bytes())["key"] for path in (journal.folder / "inbox").glob("*.approval.json")
    }
    events = journal.events("waiting")
    return {e.key: e.data for e in events if e.key and e.key not in decided | left}


class Inbox:
    """The session's side. ``begin`` and ``pausing`` belong to the session's main thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / "inbox"
        self._steers = [event.data for event in journal.events("steer")]
        used = {event.data["note"] for event in journal.events("begun")}
        self._programs = {e.key or "": e.data for e in journal.events("program") if e.key not in used}
        (self._folder / PAUSE).unlink(missing_ok=True)

    def pausing(self) -> bool:
        return (self._folder / PAUSE).exists()

    def begin(self, number: int) -> Begun:
        """What experiment ``number`` is told by people: the same again when it is resumed."""
        found = self._journal.recorded("begun", str(number), lambda: self._news(number))
        return Begun.model_validate(found)

    def verdict(self, number: int, proposal: Proposal, stopped: Callable[[], None]) -> Verdict:
        """A person's verdict on a program, waited for. ``stopped`` is called now and then, to raise."""
        key = f"{number} {proposal.program_id}"
        waiting = {"number": number, "proposal": proposal.model_dump(mode="json")}
        self._journal.recorded("waiting", key, lambda: waiting)

        def wait() -> dict[str, Any]:
            while True:
                for path in self._notes("approval"):
                    note = json.loads(path.read_bytes())
                    if note["key"] == key:
                        return {"number": number, "decision": note["decision"], "reasons": note["reasons"]}
                stopped()
                time.sleep(0.2)

        told = self._journal.recorded("approval", key, wait)
        return Verdict(decision=told["decision"], reasons=told["reasons"], by="human")

    def _news(self, number: int) -> dict[str, Any]:
        for path in self._notes("steer"):
            self._steers.append(self._taken("steer", path, since=number))
        for path in self._notes("program"):
            self._programs[path.name] = self._taken("program", path)
        note, given = next(iter(self._programs.items()), ("", None))
        self._programs.pop(note, None)
        active = (s["text"] for s in self._steers if s["until"] is None or number < s["since"] + s["until"])
        told = {"number": number, "steering": tuple(active), "given": given or None, "note": note}
        return Begun.model_validate(told).model_dump(mode="json")

    def _taken(self, kind: str, path: Path, **more: Any) -> dict[str, Any]:
        """A note's content, from now on in the journal."""
        data = self._journal.recorded(kind, path.name, lambda: {**json.loads(path.read_bytes()), **more})
        path.unlink()
        return data

    def _notes(self, kind: Kind) -> list[Path]:
        return sorted(self._folder.glob(f"[0-9]*.{kind}.json"))
