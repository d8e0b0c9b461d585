"""Errors of the application that are meant for a person."""

from __future__ import annotations


class Usage(Exception):
    """The user asked for what cannot be done; the message says why and what to do (exit code 2)."""


class Failed(Exception):
    """Something that was asked for failed; the message says what and what to do (exit code 1)."""


class Interrupted(Exception):
    """A person ended it; the message says how to go on (exit code 130)."""
