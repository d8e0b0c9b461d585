"""Source -> syntax tree, one thread at a time."""

from __future__ import annotations

import ast
from functools import lru_cache
from threading import Lock

_ALONE = Lock()
"""CPython counts the depth of a tree that it builds for all threads together: two at once may end in
``SystemError: AST constructor recursion depth mismatch`` (seen with 3.11.7)."""


def parse(source: str) -> ast.Module:
    """As ``ast.parse``, and with the same errors: SyntaxError, ValueError, RecursionError, MemoryError."""
    with _ALONE:
        return ast.parse(source)


@lru_cache(maxsize=8)
def reading(source: str) -> tuple[ast.AST, ...]:
    """The tree's nodes in the order of ``ast.walk``, the module first; for who only reads them, since several
    look at a program at about the same time. Raises what ``parse`` raises."""
    found: list[ast.AST] = [parse(source)]
    for node in found:  # grows meanwhile
        for name in node._fields:
            value = getattr(node, name, None)
            if type(value) is list:
                found += [part for part in value if isinstance(part, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return tuple(found)


def parse_expression(source: str) -> ast.Expression:
    """The same for one expression."""
    with _ALONE:
        return ast.parse(source, mode="eval")
