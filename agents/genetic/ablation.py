"""The mechanisms of a program, each taken out on its own.

Branches, terms, functions, constants, schedules and states.
A mechanism is a place in the syntax tree and what stands there without it. Nothing here knows a problem.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from agents.genetic.interface import narrow, observe
from agents.genetic.kinds import SCALAR, TIME, Kinds
from agents.genetic.program import (
    Program,
    Slot,
    expression,
    import_missing,
    number_node,
    number_of,
    own_attribute,
    slots,
    text,
)
from agents.genetic.render import render
from agents.genetic.simplify import simplify
from agents.genetic.variation import identity, starved, undefined

NEUTRAL = (0, 1)
"""Values of a constant that make it disappear."""


@dataclass(frozen=True)
class Ablation:
    """A program with one mechanism less."""

    kind: str
    """branch, term, function, constant, schedule or state."""
    what: str
    source: str
    size: int
    """Syntax nodes that are left."""


def ablations(source: str) -> list[Ablation]:
    """Every program that one mechanism less makes of this one, smaller or simpler, each once; largest saving
    first. Raises SyntaxError or ValueError for what is no program."""
    whole = Program(source)
    simplify(whole)
    interface = observe([whole])
    found: dict[bytes, Ablation] = {}
    seen = {identity(whole)}
    for number in range(len(list(_cuts(whole.copy())))):
        program = whole.copy()
        kind, what, cut = list(_cuts(program))[number]
        cut()
        simplify(program)
        narrow(program, interface)
        import_missing(program)
        if undefined(program) or starved(program) - starved(whole) or _worth(program) >= _worth(whole):
            continue
        if set(program.rules) != {n for n in whole.rules if n in program.rules}:
            continue
        mark = identity(program)
        if mark not in seen:
            seen.add(mark)
            found[mark] = Ablation(kind, what, render(program), program.size)
    return sorted(found.values(), key=lambda ablation: ablation.size)


def simplified(source: str) -> str:
    """The program without what has no effect at all, told plainly."""
    program = Program(source)
    before = program.size
    simplify(program)
    return render(program) if program.size < before else source


def size(source: str) -> int:
    """Syntax nodes of the rule, in the plain form that all sizes here are counted in."""
    program = Program(source)
    simplify(program)
    return program.size


def _worth(program: Program) -> tuple[int, int]:
    """What shrinks: syntax nodes, then constants that are neither 0 nor 1."""
    values = [number_of(node.value) for node in program.constants.values()]
    return program.size, sum(value not in NEUTRAL for value in values)


def _cuts(program: Program) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """(kind, what is taken out, how), in the order of the text."""
    kinds = Kinds(program)
    yield from _statements(program)
    for name, node in program.constants.items():
        value = number_of(node.value)
        for neutral in NEUTRAL:
            if value != neutral:
                yield (
                    "constant",
                    f"`{name}` = {value:g} set to {neutral}",
                    partial(_settle, program, name, neutral),
                )
    for slot in slots(program):
        for part, kind in _parts(program, kinds, slot):
            what = f"`{text(slot.node)}` left at `{text(part)}` in `{slot.method}`"
            yield kind, what, partial(slot.fill, copy.deepcopy(part))


def _statements(program: Program) -> Iterator[tuple[str, str, Callable[[], None]]]:
    for name, method in program.rules.items():
        for node in ast.walk(method):
            blocks = [getattr(node, field, None) for field in ("body", "orelse")]
            for block in [block for block in blocks if isinstance(block, list)]:
                for statement in block:
                    for kind, what, by in _without(statement):
                        yield kind, f"{what} in `{name}`", partial(_replace, block, statement, by)


def _without(statement: ast.stmt) -> Iterator[tuple[str, str, list[ast.stmt]]]:
    """(kind, what is taken out, what stands in the statement's place)."""
    if isinstance(statement, ast.If):
        test = f"`if {text(statement.test)}`"
        yield "branch", f"{test} left out", []
        if not _ends(statement.body):
            yield "branch", f"{test} always taken", statement.body
        if statement.orelse:
            yield "branch", f"{test} never taken", statement.orelse
    elif isinstance(statement, ast.Assign | ast.AugAssign) and _writes(statement):
        yield "state", f"`{text(statement)}` left out", []


def _parts(program: Program, kinds: Kinds, slot: Slot) -> Iterator[tuple[ast.expr, str]]:
    """What may stand for an expression when something of it is left out, and the kind of mechanism."""
    node, own = slot.node, kinds.of(slot.node, slot.method)
    if isinstance(node, ast.BinOp):
        yield from _operands(kinds, slot, node)
    elif isinstance(node, ast.IfExp):
        yield node.body, "branch"
        yield node.orelse, "branch"
    elif isinstance(node, ast.Call):
        if own is not None:
            yield from ((part, "function") for part in node.args if kinds.of(part, slot.method) == own)
        method = own_attribute(node.func)
        if method in program.methods and (reading := _accumulated(program, str(method))) is not None:
            yield reading, "function"


def _operands(kinds: Kinds, slot: Slot, node: ast.BinOp) -> Iterator[tuple[ast.expr, str]]:
    own = kinds.of(node, slot.method)
    timely = any(kinds.of(n, slot.method) == TIME for n in ast.walk(node) if isinstance(n, ast.Name))
    schedule = timely and own in (SCALAR, TIME)
    sides = [node.left]
    if isinstance(node.op, ast.Add | ast.Mult) or (isinstance(node.op, ast.Sub) and not schedule):
        sides.append(node.right)
    for side in sides:
        if schedule or own is None or kinds.of(side, slot.method) == own:
            yield side, "schedule" if schedule else "term"
    if schedule:
        yield expression("1"), "schedule"


def _accumulated(program: Program, method: str) -> ast.expr | None:
    """The one state that a helper returns a function of: what its call reads without it."""
    states = {name for n in ast.walk(program.methods[method]) if (name := own_attribute(n))} & set(
        program.states
    )
    return expression(f"self.{states.pop()}") if len(states) == 1 else None


def _settle(program: Program, name: str, value: int) -> None:
    """The constant as a literal, so that simplification can fold it away."""
    program.rule.body.remove(program.constants[name])

    class Literal(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            if own_attribute(node) == name:
                return number_node(value)
            return self.generic_visit(node)

    Literal().visit(program.rule)


def _replace(block: list[ast.stmt], statement: ast.stmt, by: list[ast.stmt]) -> None:
    place = block.index(statement)
    block[place : place + 1] = by


def _writes(statement: ast.Assign | ast.AugAssign) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return any(own_attribute(target) for target in targets)


def _ends(body: list[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Return | ast.Raise) for statement in body)
