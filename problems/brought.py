"""Games and environments of the user's own: named by content, kept for as long as the process lives.

A name either says all there is (an OpenSpiel string), or ends in ``@`` and a hash of what was brought: then a
session carries the bytes (``games/`` in its folder), and so goes on, replays and forks without the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


class BroughtError(Exception):
    """What was brought cannot be used; the message tells a person the fault and the next step."""


@dataclass(frozen=True)
class Brought:
    """One game or environment that passed its validation."""

    name: str
    """As it is called wherever a game is named."""
    data: bytes | None
    """What ``Problem.pack`` gives for it; None where the name alone says enough."""
    about: str
    """Size and kind, in one line."""
    seconds: float
    """Estimated time of one evaluation on this machine, on one core."""


_KEPT: dict[str, bytes] = {}


def named(title: str, content: bytes) -> str:
    """``title@hash``: equal content has an equal name."""
    return f"{title}@{hashlib.sha256(content).hexdigest()[:8]}"


def keep(name: str, data: bytes) -> None:
    """Let :func:`kept` find the data of a game that was brought. The name must come from :func:`named`."""
    _KEPT[name] = data


def kept(name: str) -> bytes | None:
    """The data of a game that was brought, None for any other."""
    return _KEPT.get(name)
