"""What can go wrong between us and a model, for people. No message ever holds a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OVERFLOWED = "context overflow"
"""How a record names a request that was longer than the model's context."""


class ModelError(Exception):
    """A model that cannot be had or does not answer."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)
        """One for each try, for the record."""
        self.about: dict[str, Any] = {}
        """Where in the session the reply was wanted."""


class ContextOverflow(ModelError):
    """The messages are longer than the model's context."""


class GivenUp(ModelError):
    """A reply that nobody waits for any more, because the session is to end: so its cause says."""
