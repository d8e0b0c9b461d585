"""Which arguments a method may ask for, learnt from the programs and texts at hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from agents.genetic.program import Program, arguments, own_attribute

Interface = Mapping[str, tuple[str, ...]]
"""Method -> names it may ask for. Empty where arguments go by position, so that none may be added."""


def observe(programs: Sequence[Program], statement: str = "") -> Interface:
    """Arguments go by name where two programs give one method different ones; then any seen may be asked for.

    Args:
        statement: the problem's description; signatures of the methods in it count as one more program.
    """
    seen: dict[str, list[tuple[str, ...]]] = {}
    called = {name for program in programs for name in _called(program)}
    for program in programs:
        for name, method in program.rules.items():
            if name not in called:
                seen.setdefault(name, []).append(tuple(arguments(method)))
    if not any(len(set(lists)) > 1 for lists in seen.values()):
        return {}
    for name, lists in seen.items():
        for listed in re.findall(rf"\b{name}\(([\w, ]+)\)", statement):
            lists.append(tuple(part.strip() for part in listed.split(",") if part.strip() != "self"))
    return {name: _family(lists, list(seen.values())) for name, lists in seen.items()}


def _family(lists: Sequence[tuple[str, ...]], others: Sequence[Sequence[tuple[str, ...]]]) -> tuple[str, ...]:
    """What the methods that share an argument with this one ask for, and those that share one with them."""
    known = {name for listed in lists for name in listed}
    families = [{name for listed in other for name in listed} for other in others]
    while grown := set().union(*(family for family in families if family & known)) - known:
        known |= grown
    return tuple(
        dict.fromkeys(name for other in others for listed in other for name in listed if name in known)
    )


def widen(program: Program, interface: Interface) -> None:
    """Let every method ask for all it may; :func:`narrow` takes back what is not used."""
    for name, method in program.rules.items():
        have = arguments(method)
        method.args.args += [ast.arg(more) for more in interface.get(name, ()) if more not in have]


def narrow(program: Program, interface: Interface) -> None:
    """Ask for nothing that is not read, in the order of the interface; drop helpers that nobody calls."""
    if interface:
        used = {"__init__", *interface, *_called(program)}
        program.rule.body = [n for n in program.rule.body if getattr(n, "name", "__init__") in used]
    for name, method in program.rules.items():
        if name in interface:
            read = {node.id for part in method.body for node in ast.walk(part) if isinstance(node, ast.Name)}
            order = {argument: place for place, argument in enumerate(interface[name])}
            wanted = [a for a in method.args.args if a.arg == "self" or a.arg in read]
            method.args.args = sorted(wanted, key=lambda a: order.get(a.arg, -1))


def _called(program: Program) -> set[str | None]:
    """The program's own methods that it calls itself: no part of the interface."""
    return {own_attribute(node.func) for node in ast.walk(program.rule) if isinstance(node, ast.Call)}
