"""One event of a journal as one line: ``{n, time, kind, key, data, sum}``, in this order."""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

_SUM = re.compile(rb',"sum":"([0-9a-f]{8})"\}$')
_SECRET = (b"KEY", b"TOKEN", b"SECRET", b"PASSWORD")
"""How names of variables end that hold secrets."""
_ADDRESS = (b"URL", b"URI", b"BASE", b"ENDPOINT", b"PROXY", b"url", b"proxy")
"""How names of variables end whose addresses may hold some: ``https://name:password@host``."""
_SHORTEST = 8
"""Characters of a secret: a shorter one, such as a local server's ``x`` or ``EMPTY``, guards nothing, and
would be blotted out of programs and prose."""


class JournalError(Exception):
    """The journal cannot be read or written; the message says where and what to do."""


@dataclass(frozen=True)
class Event:
    n: int
    """From 1, in the order of writing."""
    time: str
    """ISO date and time, UTC."""
    kind: str
    key: str | None
    data: dict[str, Any]


class Readable(Protocol):
    """What events are read from: a journal, or its lines as far as they are whole."""

    folder: Path

    def events(self, *kinds: str) -> Iterator[Event]:
        """Those of these kinds, in order."""


def encode(n: int, kind: str, key: str | None, data: dict[str, Any], time: str = "") -> bytes:
    """One line without its newline, stamped with the time (now, if none is given) and closed by the sum of
    all that precedes.

    Raises JournalError when ``data`` is not JSON.
    """
    stamp = time or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = _json({"n": n, "time": stamp, "kind": kind, "key": key})
    line = f'{head[:-1]},"data":{redact(_json(data))}}}'
    try:
        body = line.encode()
    except UnicodeEncodeError:  # a lone surrogate: legal in a string and in JSON, not in UTF-8
        body = json.dumps(json.loads(line), separators=(",", ":")).encode()
    return body[:-1] + b',"sum":"%08x"}' % zlib.crc32(body)


def header(line: bytes) -> dict[str, Any] | None:
    """What precedes ``data``, or None when the line is damaged.

    Inside a JSON string a quote is always escaped, so the first ``,"data":`` ends the header.
    """
    if not whole(line):
        return None
    head: dict[str, Any] = json.loads(line[: line.index(b',"data":')] + b"}")
    return head


def whole(line: bytes) -> bool:
    """Whether the line is as it was written."""
    found = _SUM.search(line, max(0, len(line) - 18))
    return bool(found and int(found[1], 16) == zlib.crc32(line[: found.start()] + b"}"))


def decode(line: bytes) -> Event:
    return Event(**{name: value for name, value in json.loads(line).items() if name != "sum"})


def redact(text: str) -> str:
    """Blot out the secrets of this process's environment, should an error message or a reply repeat one."""
    for raw in os.environb:  # bytes, for every event comes by here and decoding all names takes a while
        if (hold := _holder(raw)) is not None:
            value = os.environ.get(name := os.fsdecode(raw), "").strip()
            for secret in hold(value):
                if len(secret) >= _SHORTEST:
                    text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], f"[{name}]")
    return text


@lru_cache(maxsize=1024)
def _holder(name: bytes) -> Callable[[str], tuple[str, ...]] | None:
    """How to find what is secret in a variable's value; None where its name promises nothing."""
    return _itself if name.endswith(_SECRET) else _credentials if name.endswith(_ADDRESS) else None


def _itself(value: str) -> tuple[str, ...]:
    return (value,)


@lru_cache(maxsize=64)
def _credentials(address: str) -> tuple[str, ...]:
    """The password in an address, or the name if it stands alone, in the forms in which a server may repeat
    them: as written, decoded, and as HTTP sends both."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ()
    if not parts.username:
        return ()
    name, secret = unquote(parts.username), parts.password or parts.username
    sent = base64.b64encode(f"{name}:{unquote(parts.password or '')}".encode()).decode()
    return secret, unquote(secret), sent


def _refuse(value: Any) -> Any:
    raise JournalError(f"an event holds {type(value).__name__}, which is not JSON: {value!r:.80}")


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_refuse).encode
