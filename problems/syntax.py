"""Source -> syntax tree, one thread at a time."""

from __future__ import annotations

import ast
from threading import Lock

_ALONE = Lock()
"""CPython counts the depth of a tree that it builds for all threads together: two at once may end in
``SystemError: AST constructor recursion depth mismatch`` (seen with 3.11.7)."""


def parse(source: str) -> ast.Module:
    """As ``ast.parse``, and with the same errors: SyntaxError, ValueError, RecursionError, MemoryError."""
    with _ALONE:
        return ast.parse(source)


def parse_expression(source: str) -> ast.Expression:
    """The same for one expression."""
    with _ALONE:
        return ast.parse(source, mode="eval")
