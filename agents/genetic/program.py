"""A program as a syntax tree that operators change in place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from agents.genetic.plain import plain
from problems.syntax import parse, parse_expression

Number = int | float
MODULES = frozenset({"torch", "math", "np", "numpy"})
"""Names that stand for modules in the programs of any problem, whether imported yet or not."""
NORMALISERS = frozenset({"normalise", "normalize", "softmax", "uniform"})
"""Helpers that return distributions."""


class Program:
    """The largest class of a source, with the views of it that operators need.

    Raises SyntaxError when the source cannot be parsed and ValueError when it defines no class.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = plain(parse(source))
        classes = [node for node in self.tree.body if isinstance(node, ast.ClassDef)]
        if not classes:
            raise ValueError("The program defines no class.")
        self.rule = max(classes, key=lambda node: len(list(ast.walk(node))))

    def copy(self) -> Program:
        return copy.deepcopy(self)

    @property
    def size(self) -> int:
        """Nodes of the class: what parsimony counts."""
        return sum(1 for _ in ast.walk(self.rule))

    @property
    def methods(self) -> dict[str, ast.FunctionDef]:
        return {node.name: node for node in self.rule.body if isinstance(node, ast.FunctionDef)}

    @property
    def rules(self) -> dict[str, ast.FunctionDef]:
        """The methods that do the work: all but the constructor."""
        return {name: node for name, node in self.methods.items() if name != "__init__"}

    @property
    def constants(self) -> dict[str, ast.Assign]:
        """Numeric class attributes by name."""
        found = {}
        for node in self.rule.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if number_of(node.value) is not None:
                    found[node.targets[0].id] = node
        return found

    @property
    def initial(self) -> dict[str, ast.Assign]:
        """What the constructor assigns to attributes of ``self``, by attribute."""
        constructor = self.methods.get("__init__")
        found = {}
        for node in constructor.body if constructor else []:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                attribute = own_attribute(node.targets[0])
                if attribute:
                    found[attribute] = node
        return found

    @property
    def context(self) -> dict[str, str]:
        """Attributes that only hold an argument of the constructor (``self.infosets``)."""
        return {
            name: node.value.id for name, node in self.initial.items() if isinstance(node.value, ast.Name)
        }

    @property
    def states(self) -> list[str]:
        """Attributes that some method other than the constructor assigns."""
        names = {attribute for method in self.rules.values() for attribute in assigned_attributes(method)}
        return [name for name in self.initial if name in names]

    def add_constant(self, name: str, value: Number) -> ast.expr:
        """A fresh class attribute in capitals; returns the expression that reads it."""
        taken = {attribute for node in ast.walk(self.rule) if (attribute := own_attribute(node))}
        taken |= set(self.constants)
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        body = self.rule.body
        place = 1 if ast.get_docstring(self.rule) is not None else 0
        while place < len(body) and isinstance(body[place], ast.Assign):
            place += 1
        body.insert(
            place, ast.Assign(targets=[ast.Name(unique, ast.Store())], value=number_node(value), lineno=0)
        )
        return expression(f"self.{unique}")

    def add_state(self, name: str, initial: ast.expr) -> str:
        """A fresh attribute set in the constructor; returns its name."""
        unique, number = name, 2
        while unique in self.initial:
            unique, number = f"{name}_{number}", number + 1
        target = ast.Attribute(ast.Name("self", ast.Load()), unique, ast.Store())
        self.methods["__init__"].body.append(ast.Assign(targets=[target], value=initial, lineno=0))
        return unique


def parsed(source: str) -> Program | None:
    """None for what defines no class: a model may have written anything."""
    try:
        return Program(source)
    except (SyntaxError, ValueError):
        return None


@dataclass(frozen=True)
class Slot:
    """A place in a tree that holds an expression, and can hold another."""

    parent: ast.AST
    field: str
    index: int | None
    method: str
    free: bool
    """False where a change would break a distribution: what is returned after it was normalised."""

    @property
    def node(self) -> ast.expr:
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def fill(self, node: ast.expr) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def slots(program: Program) -> list[Slot]:
    """Every place of the working methods that holds a numeric expression, in the order of the text."""
    objects = set(program.context)
    found = []
    for name, method in program.rules.items():
        normalises = any(is_normaliser(node) for node in ast.walk(method))
        for statement in method.body:
            bound = normalises and (
                isinstance(statement, ast.Return) or any(is_normaliser(node) for node in ast.walk(statement))
            )
            found += [slot for slot in _slots(statement, name, not bound) if _is_numeric(slot.node, objects)]
    return found


def is_normaliser(node: ast.AST) -> bool:
    """A call whose result is a distribution."""
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NORMALISERS
    )


def _slots(parent: ast.AST, method: str, free: bool) -> Iterator[Slot]:
    free = free or is_normaliser(parent)
    for field, value in ast.iter_fields(parent):
        if field in ("func", "test", "targets", "target", "slice") or isinstance(parent, ast.Compare):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if isinstance(child, ast.expr):
                yield Slot(parent, field, index if isinstance(value, list) else None, method, free)
            if isinstance(child, ast.expr | ast.stmt | ast.keyword):
                yield from _slots(child, method, free)


def _is_numeric(node: ast.expr, objects: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return number_of(node) is not None
    if isinstance(node, ast.Name):
        return node.id not in MODULES | objects | {"self"}
    if isinstance(node, ast.Attribute):
        return own_attribute(node) is not None and node.attr not in objects
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call)


def modules(program: Program) -> set[str]:
    """Names of modules that a program mentions or imports."""
    imported = {
        alias.asname or alias.name
        for s in program.tree.body
        if isinstance(s, ast.Import)
        for alias in s.names
    }
    return imported | {n.id for n in ast.walk(program.rule) if isinstance(n, ast.Name) and n.id in MODULES}


def import_missing(program: Program) -> None:
    """Import the modules that are mentioned, and no others."""
    mentioned = {n.id for n in ast.walk(program.tree) if isinstance(n, ast.Name)}
    body = program.tree.body
    imports = [s for s in body if isinstance(s, ast.Import) and s.names[0].name in MODULES]
    for unused in [s for s in imports if (s.names[0].asname or s.names[0].name) not in mentioned]:
        body.remove(unused)
    present = {s.names[0].asname or s.names[0].name for s in imports}
    place = 1 if ast.get_docstring(program.tree) is not None else 0
    body[place:place] = [ast.Import([ast.alias(n)]) for n in sorted((mentioned & MODULES) - present)]


def own_attribute(node: ast.AST) -> str | None:
    """``x`` when the node reads or writes ``self.x``."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def assigned_attributes(node: ast.AST) -> set[str]:
    return {name for n in ast.walk(node) if (name := own_attribute(n)) and isinstance(n.ctx, ast.Store)}  # type: ignore[attr-defined]


def read_attributes(node: ast.AST) -> set[str]:
    """Attributes of ``self`` that are read, an augmented assignment's target included."""
    read = {name for n in ast.walk(node) if (name := own_attribute(n)) and isinstance(n.ctx, ast.Load)}  # type: ignore[attr-defined]
    return read | {
        name for n in ast.walk(node) if isinstance(n, ast.AugAssign) and (name := own_attribute(n.target))
    }


def arguments(method: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in method.args.args if argument.arg != "self"]


def number_of(node: ast.AST) -> Number | None:
    """The value of a (signed) numeric literal."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = number_of(node.operand)
        return None if inner is None else -inner
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        return node.value
    return None


def number_node(value: Number) -> ast.expr:
    return parse_expression(repr(value)).body


def expression(template: str, *parts: ast.AST) -> ast.expr:
    """Parse an expression in which the names ``_0``, ``_1``, … stand for copies of ``parts``."""
    tree = parse_expression(template)
    return _Filler(parts).visit(tree).body


def statements(template: str, *parts: ast.AST) -> list[ast.stmt]:
    """The same for statements."""
    return _Filler(parts).visit(parse(template)).body


class _Filler(ast.NodeTransformer):
    def __init__(self, parts: tuple[ast.AST, ...]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id.startswith("_") and node.id[1:].isdigit():
            part = copy.deepcopy(self.parts[int(node.id[1:])])
            if hasattr(part, "ctx"):
                part.ctx = node.ctx
            return part
        return node


def text(node: ast.AST, limit: int = 70) -> str:
    """The source of a node for a sentence: one line, shortened in the middle of nothing but at its end."""
    line = " ".join(ast.unparse(node).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
