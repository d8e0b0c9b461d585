"""Runs one untrusted program, returns one outcome."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.pool import Pool

SANDBOXES = {
    "gvisor": "sandbox.docker",
    "docker": "sandbox.docker",
    "bubblewrap": "sandbox.local",
    "landlock": "sandbox.local",
    "unconfined": "sandbox.local",
}
"""Strongest first. ``NAME_pool(slots, device)`` in the module makes one, or raises Unavailable. The module is
imported only when it is tried, for a candidate's process imports this package too."""
AUTOMATIC = ("docker", "bubblewrap", "landlock")
"""What may be chosen without being asked for by name."""


def open_sandbox(
    choice: str = "auto", slots: int = 1, say: Callable[[str], None] = print, device: str = "cpu"
) -> Pool:
    """A running sandbox that has proved that it can run a program; close it, or use it with ``with``.

    ``auto`` takes the strongest that works and says why no stronger one did. Raises Unavailable when the one
    asked for, or every automatic one, does not work here. ``device`` is where referees compute (see
    ``devices``); a candidate computes on the CPU in any case.
    """
    from sandbox.job import Unavailable

    names = AUTOMATIC if choice == "auto" else (choice,)
    reasons = []
    for name in names:
        try:
            pool = _proved(name, slots, device)
        except Unavailable as error:
            reasons.append(f"{name}: {error}")
            continue
        refused = f" (Stronger ones are not to be had. {'. '.join(reasons)}.)" if reasons else ""
        say(f"Sandbox: {name}, {pool.about}.{refused}")
        return pool
    raise Unavailable(f"No sandbox can be had here. {'. '.join(reasons)}.")


def _proved(name: str, slots: int, device: str) -> Pool:
    """A pool that has run an honest program. Raises Unavailable."""
    from sandbox.job import Job, SandboxError, Unavailable

    if name not in SANDBOXES:
        raise Unavailable(f"there is none of that name; there are {', '.join(SANDBOXES)}")
    from sandbox.attacks.target import HONEST, TARGET
    from sandbox.devices import kind_of

    pool: Pool = getattr(importlib.import_module(SANDBOXES[name]), f"{name}_pool")(slots, device)
    settings = {**TARGET.smoke_settings, "device": kind_of(device)}
    job = Job(problem=TARGET.name, program=HONEST, game=TARGET.smoke[0], settings=settings)
    try:
        outcome = pool.run(job)
    except SandboxError as error:
        pool.close()
        raise Unavailable(str(error)) from None
    if outcome.status != "ok":
        pool.close()
        raise Unavailable(f"an honest program fails in it: {outcome.status}, {outcome.message}")
    return pool
