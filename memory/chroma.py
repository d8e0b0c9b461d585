"""Lessons in a Chroma collection: an index that lasts between sessions and can always be rebuilt.

Chroma's embedded store breaks when two processes use one folder (measured: vectors are lost past 1,000
records), so a lock lets one in at a time. A server needs none: a laboratory writes its own records only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.config import Settings

from memory.files import hold_lock
from memory.mirror import metadata
from memory.records import Lesson

_BATCH = 1000
_HNSW = {"hnsw": {"space": "cosine"}}


class IndexDamaged(Exception):
    """The index cannot be used; nothing is lost, it is to be rebuilt."""


class Index:
    """One collection: a record per lesson with its vector, text and all that is known of it."""

    def __init__(self, client: Any, embedder: str, laboratory: str, lock: int | None) -> None:
        self._client, self._laboratory, self._lock = client, laboratory, lock
        name = f"lessons-2-{sha256(embedder.encode()).hexdigest()[:12]}"  # 2: what is filtered by
        with _damage():
            self._lessons = client.get_or_create_collection(
                name, configuration=_HNSW, embedding_function=None
            )

    @property
    def state(self) -> dict[str, Any]:
        """What ``sync`` was last told; empty for an index that was never completed."""
        with _damage():
            text = (self._lessons.metadata or {}).get(self._laboratory, "{}")
            found: dict[str, Any] = json.loads(text)
            alone = self._lock is not None
            return {} if alone and found.get("records") != self._lessons.count() else found

    def sync(
        self,
        lessons: Sequence[Lesson],
        embed: Callable[[Sequence[str]], np.ndarray],
        state: Mapping[str, Any],
    ) -> None:
        """Make this laboratory's records these lessons. ``state`` is kept last, when all is in place."""
        with _damage():
            wanted = {f"{self._laboratory}:{lesson.id}": lesson for lesson in lessons}
            there = {name: data["lesson"] for name, data in self._records({"laboratory": self._laboratory})}
            gone = [name for name in there if name not in wanted]
            new = [name for name, x in wanted.items() if there.get(name) != x.model_dump_json()]
            for part in _parts(gone):
                self._lessons.delete(ids=part)
            for part in _parts(new):
                chosen = [wanted[name] for name in part]
                self._lessons.upsert(
                    ids=part,
                    embeddings=embed([lesson.text for lesson in chosen]),
                    documents=[lesson.text for lesson in chosen],
                    metadatas=[self._metadata(lesson) for lesson in chosen],
                )
            kept = json.dumps({**state, "records": len(wanted)})
            self._lessons.modify(metadata={**(self._lessons.metadata or {}), self._laboratory: kept})

    def near(
        self, vectors: np.ndarray, k: int, names: Sequence[str], where: Mapping[str, Any]
    ) -> list[tuple[Lesson, np.ndarray]]:
        """The ``k`` nearest lessons to each vector, and up to 30 for each word of ``names`` in a text."""
        found: dict[str, tuple[Lesson, np.ndarray]] = {}
        with _damage():
            count = self._lessons.count()
            if count == 0:
                return []
            answer = self._lessons.query(
                query_embeddings=list(vectors),
                n_results=min(k, count),
                where=dict(where) or None,
                include=["metadatas", "embeddings"],
            )
            rows = [
                pair
                for some, others in zip(answer["metadatas"], answer["embeddings"], strict=True)
                for pair in zip(some, others, strict=True)
            ]
            for name in names:
                more = self._lessons.get(
                    where=dict(where) or None,
                    where_document={"$contains": name},
                    limit=30,
                    include=["metadatas", "embeddings"],
                )
                rows += zip(more["metadatas"], more["embeddings"], strict=True)
            for data, row in rows:
                lesson = _lesson(data)
                if lesson and len(found.get(lesson.id, (lesson,))[0].supported_by) <= len(
                    lesson.supported_by
                ):
                    found[lesson.id] = (lesson, np.asarray(row, np.float32))
        return list(found.values())

    def named(self, ids: Sequence[str]) -> list[Lesson]:
        """This laboratory's lessons with these ids, as far as they are here."""
        with _damage():
            records = self._lessons.get([f"{self._laboratory}:{x}" for x in ids], include=["metadatas"])
            return [lesson for lesson in map(_lesson, records["metadatas"]) if lesson]

    def others(self) -> list[Lesson]:
        """Lessons of other laboratories on the same server."""
        with _damage():
            records = self._records({"laboratory": {"$ne": self._laboratory}})
            return [lesson for lesson in (_lesson(data) for _, data in records) if lesson]

    def close(self) -> None:
        try:
            self._client.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _records(self, where: Any) -> Iterator[tuple[str, Any]]:
        for offset in range(0, self._lessons.count(), _BATCH):
            page = self._lessons.get(where=where, limit=_BATCH, offset=offset, include=["metadatas"])
            yield from zip(page["ids"], page["metadatas"], strict=True)

    def _metadata(self, lesson: Lesson) -> dict[str, Any]:
        return {**metadata(lesson), "laboratory": self._laboratory, "lesson": lesson.model_dump_json()}


def open_index(folder: Path, embedder: str, laboratory: str, url: str | None = None) -> Index:
    """The index in a folder, or on a Chroma server (``http://host:port``).

    Raises BlockingIOError when another process has the folder, IndexDamaged when it cannot be used,
    ConnectionError when the URL is none.
    """
    if url:
        host, port, secure = _address(url)
        with _damage():
            client = chromadb.HttpClient(host, port, ssl=secure, settings=_settings())
        return Index(client, embedder, laboratory, None)
    folder.mkdir(parents=True, exist_ok=True)
    lock = hold_lock(folder.with_suffix(".lock"))
    try:
        with _damage():
            client = chromadb.PersistentClient(_generation(folder), settings=_settings())
        return Index(client, embedder, laboratory, lock)
    except BaseException:
        os.close(lock)
        raise


def _settings() -> Settings:
    """Made anew for each client, for Chroma writes into them which kind of client it was."""
    return Settings(anonymized_telemetry=False)


def remove_index(folder: Path) -> None:
    """Delete the index, to be rebuilt. Raises BlockingIOError when another process has it."""
    lock = hold_lock(folder.with_suffix(".lock"))
    try:
        old = _generation(folder)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / str(int(old.name) + 1)).mkdir(parents=True)
    finally:
        os.close(lock)


def _address(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether by TLS."""
    try:
        parts = urlsplit(url)
        host, port, secure = parts.hostname, parts.port, parts.scheme == "https"
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        shown = url.rpartition("@")[2]
        raise ConnectionError(f"'{shown}' is no address of a Chroma server; one looks like http://host:8000")
    if parts.username is not None:
        raise ConnectionError(
            f"The address of the Chroma server {host} names a user, which Chroma does not tell it and "
            "which would be kept with the session: leave the part before @ out"
        )
    return host, port or (443 if secure else 8000), secure


def _generation(folder: Path) -> Path:
    """Where in the folder the index lies. A rebuilt one gets a new name, since Chroma keeps what it knows of
    a path in the process, even when opening it failed."""
    return folder / str(max((int(x.name) for x in folder.glob("*/") if x.name.isdigit()), default=1))


def _lesson(data: Mapping[str, Any]) -> Lesson | None:
    """None for a record that is no lesson, which another laboratory may have put on a server."""
    try:
        return Lesson.model_validate_json(data["lesson"])
    except (KeyError, ValueError):
        return None


def _parts(names: list[str]) -> Iterator[list[str]]:
    return (names[i : i + _BATCH] for i in range(0, len(names), _BATCH))


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Chroma's native part is no Exception
        told = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise IndexDamaged(told) from error
