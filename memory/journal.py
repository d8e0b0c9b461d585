"""The journal: a folder whose append-only file of events is the truth about a session.

::

    <folder>/session.json      configuration, versions, seed: written once
    <folder>/journal.jsonl     one event per line: {n, time, kind, key, data, sum}
    <folder>/programs/<id>.py  sources, named by the hash of their content
    <folder>/journal.bad       what was set aside: torn tails, salvaged lines
    <folder>/lock              held by the one live writer, holds its process id

Resume is replay: whatever costs money or time is written under a key and looked up before it is done again.
Sums guard against accidents (torn writes, bad disks, hand edits), not against an adversary.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from memory.events import Event, JournalError, decode, encode, header, redact, whole
from memory.files import append_whole, hold_lock, write_atomically
from memory.heads import Place, heads
from memory.records import program_id

PAID = frozenset({"reply", "outcome", "result", "baseline", "experiment"})
"""Kinds that cost money or time: on the disk (fsync) before ``append`` returns. So is every ``lesson_*``."""
STAKE = 0.5
"""Seconds of evaluation that may wait for the next fsync: a power cut, not a kill, would have them run again.
Nothing else waits."""


class Journal:
    """One folder. ``create`` and ``open`` give the only writer, ``view`` any number of readers.

    Safe to use from several threads. Events stay on disk; only their places are kept in memory.
    """

    def __init__(self, folder: Path, file: int, lock: int | None) -> None:
        self.folder = folder
        self.lost: list[str] = []
        """Lines that ``salvage`` set aside, one description each."""
        self._file = file
        self._lock = lock
        self._size = 0
        self._last = 0
        self._stake = 0.0
        """Seconds that were spent on what is not on the disk yet."""
        self._settled = True
        """Whether all that was appended is indexed."""
        self._keys: dict[tuple[str, str], Place] = {}
        self._kinds: dict[str, list[Place]] = {}
        self._guard = threading.RLock()
        self._computing: dict[tuple[str, str], tuple[threading.Lock, list[None]]] = {}

    @classmethod
    def create(cls, folder: Path, session: dict[str, Any], wait: float = 0.0) -> Journal:
        """A new journal. Raises JournalError when the folder holds one already or cannot be written."""
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = hold_lock(folder / "lock", wait)
        try:
            if (folder / "session.json").exists():
                raise JournalError(f"{folder} holds a journal already: open it, or choose another folder")
            with _told(folder):
                (folder / "programs").mkdir(exist_ok=True)
                text = redact(json.dumps(session, indent=2))
                file = _open(folder)
                write_atomically(folder / "session.json", text.encode())
                return cls(folder, file, lock)._index(salvage=False)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def open(cls, folder: Path, salvage: bool = False, wait: float = 0.0) -> Journal:
        """The writer of an existing journal.

        A torn last line (the writer was killed, the disk was full) is moved to ``journal.bad``. A damaged
        line before it raises JournalError; with ``salvage`` such lines are moved there too and described in
        ``lost``, and what they recorded will be done again. Raises JournalError as well when
        another writer is alive after ``wait`` seconds.
        """
        _exists(folder)
        with _told(folder):
            lock = hold_lock(folder / "lock", wait)
        try:
            with _told(folder):
                return cls(folder, _open(folder), lock)._index(salvage)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def view(cls, folder: Path) -> Journal:
        """A reader, beside a live writer or without one. A line still being written is not seen, and a
        damaged one raises JournalError when it is read."""
        _exists(folder)
        with _told(folder):
            journal = cls(folder, os.open(folder / "journal.jsonl", os.O_RDONLY), None)
        journal.refresh()
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        with self._guard:
            for file in (self._file, self._lock):
                if file is not None and file >= 0:
                    os.close(file)
            self._file, self._lock = -1, None

    @property
    def session(self) -> dict[str, Any]:
        return read_session(self.folder)

    def append(self, kind: str, key: str | None = None, /, **data: Any) -> Event:
        """Write one event. Returns it as it will be read back (tuples become lists, and so on).

        Raises JournalError when it cannot be written; the file then ends as it did before.
        """
        return self.extend([(kind, key, data)])[0]

    def extend(
        self, events: Sequence[tuple[str, str | None, dict[str, Any]]], worth: float = math.inf
    ) -> list[Event]:
        """Write several (kind, key, data) at once, all or none of them.

        ``worth``: seconds that it would take to come by them again. Where they are few, paid events are not
        put on the disk at once but together with the next.
        """
        if self._lock is None:
            raise JournalError(f"{self.folder} is open for reading only")
        with self._guard, _told(self.folder):
            if not self._settled:  # Ctrl-C fell between an append and its indexing
                self.refresh()
                os.ftruncate(self._file, self._size)
            self._settled = False
            lines = [encode(n, *event) for n, event in enumerate(events, self._last + 1)]
            if any(kind in PAID or kind.startswith("lesson_") for kind, _, _ in events):
                self._stake += worth
            sync = self._stake > STAKE
            append_whole(self._file, self._size, b"".join(line + b"\n" for line in lines), sync)
            self._stake = 0.0 if sync else self._stake
            for (kind, key, _), line in zip(events, lines, strict=True):
                self._learn({"n": self._last + 1, "kind": kind, "key": key}, len(line))
            self._settled = True
            return [decode(line) for line in lines]

    def recorded(self, kind: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is written under the key, else what ``compute`` gives, written first.

        Calls with one key at the same time compute once. When ``compute`` raises, nothing is written.
        """
        with self._one_at_a_time((kind, key)):
            if (found := self.find(kind, key)) is not None:
                return found.data
            began = time.monotonic()
            data = compute()
            worth = time.monotonic() - began if kind == "outcome" else math.inf
            return self.extend([(kind, key, data)], worth)[0].data

    def find(self, kind: str, key: str) -> Event | None:
        """The first event of that kind and key."""
        place = self._keys.get((kind, key))
        return None if place is None else self._read(place)

    def events(self, *kinds: str) -> Iterator[Event]:
        """Events of these kinds, or all, in order, as of now."""
        with self._guard:
            known = [self._kinds.get(kind, []) for kind in kinds or tuple(self._kinds)]
            places = sorted(place for of_kind in known for place in of_kind)
        return map(self._read, places)

    def __len__(self) -> int:
        return self._last

    def refresh(self) -> None:
        """Take in what another process has written since. Only heads are looked at: a line's sum is checked
        when it is read."""
        with self._guard:
            for (offset, length), head in heads(self._file, self._size):
                if head is None:
                    raise self._damage(offset)
                n, _, kind, key, _ = head.groups()
                self._learn({"n": int(n), "kind": kind.decode(), "key": json.loads(key)}, length)

    def save_program(self, source: str) -> str:
        """Keep a source; returns its id."""
        name = program_id(source)
        path = self.folder / "programs" / f"{name}.py"
        if not path.exists():
            with _told(self.folder):
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, source.encode())
        return name

    def program(self, name: str) -> str:
        """Source by id. Raises JournalError when it is missing or no longer what its name says."""
        path = self.folder / "programs" / f"{name}.py"
        try:
            source = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(f"{path}: {error}") from None
        if program_id(source) != name:
            raise JournalError(
                f"{path} was changed after it was written: its content is {program_id(source)}"
            )
        return source

    def _index(self, salvage: bool) -> Journal:
        """Find the places of all events; set a torn tail aside, damaged lines too if ``salvage``."""
        lines = os.pread(self._file, os.fstat(self._file).st_size, 0).split(b"\n")
        tail = lines.pop()
        heads = [header(line) for line in lines]
        bad = [i for i, head in enumerate(heads) if head is None]
        if bad and not salvage:
            raise self._damage(sum(len(line) + 1 for line in lines[: bad[0]]))
        if tail and (head := header(tail)):  # whole but for its newline
            lines.append(tail)
            heads.append(head)
            os.write(self._file, b"\n")
        elif tail:
            self._set_aside([tail])
            os.ftruncate(self._file, sum(len(line) + 1 for line in lines))
        if bad:
            self._set_aside([lines[i] for i in bad])
            self.lost = [f"line {i + 1}: {lines[i][:120].decode(errors='replace')}" for i in bad]
            lines = [line for line, head in zip(lines, heads, strict=True) if head]
            self._rewrite(lines)
        for line, head in zip(lines, filter(None, heads), strict=True):
            self._learn(head, len(line))
        return self

    def _rewrite(self, lines: list[bytes]) -> None:
        path = self.folder / "journal.jsonl"
        write_atomically(path, b"".join(line + b"\n" for line in lines))
        os.close(self._file)
        self._file = _open(self.folder)

    def _set_aside(self, lines: list[bytes]) -> None:
        with (self.folder / "journal.bad").open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            os.fsync(file.fileno())

    def _learn(self, head: dict[str, Any], length: int) -> None:
        """Index the line that begins where what is known ends."""
        place = (self._size, length)
        self._kinds.setdefault(head["kind"], []).append(place)
        if head["key"] is not None:
            self._keys.setdefault((head["kind"], head["key"]), place)
        self._last, self._size = head["n"], self._size + length + 1

    def _read(self, place: Place) -> Event:
        line = os.pread(self._file, place[1], place[0])
        if header(line) is None:
            raise self._damage(place[0])
        return decode(line)

    def _damage(self, offset: int) -> JournalError:
        number = os.pread(self._file, offset, 0).count(b"\n") + 1
        return JournalError(
            f"{self.folder / 'journal.jsonl'}, line {number}: damaged (its sum does not match). Mend it from "
            "a backup, or resume with --salvage: damaged lines move to journal.bad, the rest is kept, "
            "and what they recorded is done again"
        )

    @contextmanager
    def _one_at_a_time(self, name: tuple[str, str]) -> Iterator[None]:
        with self._guard:
            lock, users = self._computing.setdefault(name, (threading.Lock(), []))
            users.append(None)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                users.pop()
                if not users:
                    self._computing.pop(name, None)


def read_session(folder: Path) -> dict[str, Any]:
    """session.json of a folder. Raises JournalError when it is missing or unreadable."""
    path = folder / "session.json"
    try:
        session = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JournalError(f"{path}: {error}") from None
    if not isinstance(session, dict):
        raise JournalError(f"{path}: not an object")
    return session


def scan(folder: Path, prefix: str, upto: int | None = None, start: int = 0) -> Iterator[Event]:
    """Events whose kind starts with ``prefix``, up to number ``upto``: a quick pass that parses no others.
    ``start``: byte of the file to begin at.

    Damaged lines are left out: a reader of many journals must not fail for one of them.
    """
    mark = f'"kind":"{prefix}'.encode()
    try:
        file = (folder / "journal.jsonl").open("rb")
    except OSError:
        return
    with file:
        file.seek(start)
        for line in file:
            if mark in line[:120] and whole(line := line.rstrip(b"\n")):
                event = decode(line)
                if upto is not None and event.n > upto:
                    return
                if event.kind.startswith(prefix):
                    yield event


def _open(folder: Path) -> int:
    return os.open(folder / "journal.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)


def _exists(folder: Path) -> None:
    if not (folder / "session.json").exists():
        raise JournalError(f"{folder} holds no journal (no session.json)")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn the system's errors into ones that say what to do."""
    try:
        yield
    except BlockingIOError as error:
        raise JournalError(
            f"{folder} is being written by process {error.strerror}: wait for it or stop it first"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise JournalError(f"cannot write {folder}: {reason}. Nothing already written is lost") from error
