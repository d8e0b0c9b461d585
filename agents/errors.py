"""What can go wrong between us and a model, for people. No message ever holds a key."""

from __future__ import annotations


class ModelError(Exception):
    """A model that cannot be had or does not answer."""


class ContextOverflow(ModelError):
    """The messages are longer than the model's context."""
