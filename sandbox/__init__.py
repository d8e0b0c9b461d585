"""Runs one untrusted program, returns one outcome."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.pool import Pool

SANDBOXES = {
    "docker": "sandbox.docker:docker",
    "bubblewrap": "sandbox.local:bubblewrap",
    "landlock": "sandbox.local:landlock",
    "unconfined": "sandbox.local:unconfined",
}
"""Strongest first. Each names a function of the number of slots; it is imported only when it is tried,
for a candidate's process imports this package too. It raises Unavailable when it cannot work here."""
AUTOMATIC = ("docker", "bubblewrap", "landlock")
"""What may be chosen without being asked for by name."""


def open_sandbox(choice: str = "auto", *, slots: int = 1, say: Callable[[str], None] = print) -> Pool:
    """A running sandbox that has proved that it can run a program; close it, or use it with ``with``.

    ``auto`` takes the strongest that works and says why no stronger one did. Raises Unavailable when the one
    asked for, or every automatic one, does not work here.
    """
    if choice != "auto":
        return _proved(choice, slots, say)
    refused = []
    for name in AUTOMATIC:
        try:
            return _proved(name, slots, say)
        except Unavailable as error:
            say(f"Sandbox {name} is not available: {error}")
            refused.append(name)
    raise Unavailable("No sandbox works on this machine. `equilibrist doctor` says what is missing for each.")
