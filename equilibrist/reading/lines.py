"""A journal's lines by kind and by experiment, without parsing them: half a gigabyte in a second.

A viewer must open what a session is still writing and what a disk has damaged, so a line is checked only
when it is read, and a damaged one is left out and counted.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from memory.events import Event, whole
from memory.heads import Place, heads

FOLLOWED = 0.2
"""Seconds between looks at a file that is followed."""


class Lines:
    """Grows with the file. Not safe to use from several threads at once: whoever holds it locks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "journal.jsonl"
        self.damaged = 0
        """Lines that were asked for and could not be read."""
        self._clear()

    def _clear(self) -> None:
        self.size = self.last = 0
        self.began = self.time = ""
        """When the first and the last event were written."""
        self.kinds: dict[str, list[Place]] = {}
        self.spoken: dict[int, list[Place]] = {}
        """Events that belong to an experiment (prompts, replies, tools, ...), by its number."""
        self._file = -1

    def refresh(self) -> bool:
        """Take in what was written since; whether there was anything. A line still being written waits."""
        try:
            if self._file < 0:
                self._file = os.open(self.path, os.O_RDONLY)
            known, on_disk = os.fstat(self._file), self.path.stat()
        except OSError:
            return False
        if known.st_ino != on_disk.st_ino or on_disk.st_size < self.size:  # salvaged, or put back
            self.close()
            self._clear()
            return self.refresh()
        before = self.size
        for place, head in heads(self._file, self.size):
            self._learn(place, head)
        return self.size > before

    def _learn(self, place: Place, head: re.Match[bytes] | None) -> None:
        self.size = place[0] + place[1] + 1
        if head is None:
            self.damaged += place[1] > 0
            return
        number, time, kind, _, experiment = head.groups()
        self.last, self.time = int(number), time.decode()
        self.began = self.began or self.time
        self.kinds.setdefault(kind.decode(), []).append(place)
        if experiment:
            self.spoken.setdefault(int(experiment), []).append(place)

    def follow(self, *kinds: str) -> Iterator[Event]:
        """Events of these kinds as they come from now on, for ever."""
        while True:
            known = self.count(*kinds)
            if self.refresh():
                yield from self.events(*kinds, skip=min(known, self.count(*kinds)))
            else:
                time.sleep(FOLLOWED)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def events(self, *kinds: str, skip: int = 0) -> Iterator[Event]:
        """Events of these kinds in order, the first ``skip`` left out."""
        places = sorted(place for kind in kinds for place in self.kinds.get(kind, ()))
        return self.read(places[skip:])

    def count(self, *kinds: str) -> int:
        return sum(len(self.kinds.get(kind, ())) for kind in kinds)

    def read(self, places: Iterable[Place]) -> Iterator[Event]:
        for offset, length in places:
            line = os.pread(self._file, length, offset)
            if whole(line):
                yield _decode(line)
            else:
                self.damaged += 1


def _decode(line: bytes) -> Event:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:  # lone surrogates, which Python's own reader lets pass
        fields = json.loads(line)
    fields.pop("sum", None)
    return Event(**fields)
