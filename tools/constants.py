"""The constants of a program that are worth tuning: numeric class attributes in capitals."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from problems.syntax import parse

COUNT = 3
"""Whole numbers from here on are taken for counts and stay whole."""


def constants(source: str) -> dict[str, float]:
    """By name, in the order of the text. Empty for what cannot be parsed."""
    return {name: _value(node) for name, node in _places(source)}


def with_constants(source: str, values: Mapping[str, float]) -> str:
    """The program with other values, and not a character changed elsewhere.

    Raises:
        KeyError: the program has no such constant.
    """
    places = dict(_places(source))
    lines = source.encode().splitlines(keepends=True)
    edits = sorted(
        ((places[name], value) for name, value in values.items()), key=lambda edit: -edit[0].lineno
    )
    for node, value in edits:
        assert node.end_lineno == node.lineno  # a number never spans lines
        line = lines[node.lineno - 1]
        new = _written(value, _value(node)).encode()
        lines[node.lineno - 1] = line[: node.col_offset] + new + line[node.end_col_offset :]
    return b"".join(lines).decode()


def _places(source: str) -> list[tuple[str, ast.expr]]:
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [
        (statement.targets[0].id, statement.value)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id.isupper()
        and _is_number(statement.value)
    ]


def _is_number(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
    return (
        isinstance(inner, ast.Constant)
        and isinstance(inner.value, int | float)
        and not isinstance(inner.value, bool)
    )


def _value(node: ast.expr) -> float:
    found: float = ast.literal_eval(node)
    return found


def _written(value: float, old: float) -> str:
    """Four digits; what counted goes on counting."""
    if isinstance(old, int) and abs(old) >= COUNT:
        return str(round(value))
    return repr(float(f"{value:.4g}"))
