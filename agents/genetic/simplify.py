"""Keeps evolved programs small: folds constants, drops what has no effect."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from agents.genetic.kinds import ENTRY, Kinds
from agents.genetic.program import (
    Program,
    arguments,
    assigned_attributes,
    number_node,
    number_of,
    own_attribute,
    read_attributes,
)

ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
LARGEST = 1e9
"""Numbers beyond are left alone."""
IDEMPOTENT = frozenset({"clamp", "abs", "relu", "normalise"})

ROUNDS = 8
"""Passes after which simplification is given up as finished; each pass can uncover work for the next."""


def simplify(program: Program) -> None:
    """Simplify in place until nothing changes. Meaning is kept, apart from rounding in folded constants."""
    for _ in range(ROUNDS):
        before = ast.dump(program.tree)
        ast.fix_missing_locations(_Folder().visit(program.tree))
        _drop_zero_states(program)
        for method in program.methods.values():
            _drop_dead_locals(method)
            _drop_after_return(method)
        _drop_dead_states(program)
        _drop_dead_constants(program)
        _fill_empty(program)
        if ast.dump(program.tree) == before:
            return


class _Folder(ast.NodeTransformer):
    """Folds arithmetic on literals and the neutral x*1, x/1, x+0, x**1, -(-x), where(c, x, x)."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        left, right = number_of(node.left), number_of(node.right)
        if left is not None and right is not None:
            return _folded(node) or node
        for operation, neutral in ((ast.Mult, 1), (ast.Add, 0)):
            if isinstance(node.op, operation) and left == neutral:
                return node.right
        neutral_right = 0 if isinstance(node.op, ast.Add | ast.Sub) else 1
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow) and right == neutral_right:
            return node.left
        return _signed(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        inner = node.operand
        if (
            isinstance(node.op, ast.USub)
            and isinstance(inner, ast.UnaryOp)
            and isinstance(inner.op, ast.USub)
        ):
            return inner.operand
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A clamp, absolute value or normalisation of the very same call is the inner call."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "where" and len(node.args) == 3:
            condition, one, other = node.args
            # Whatever the condition reads has to be in the choice, or it would lose its shape.
            if ast.dump(one) == ast.dump(other) and _names(condition) <= _names(one):
                return one
        inner = node.args[0] if node.args else None
        if (
            isinstance(inner, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in IDEMPOTENT
        ):
            outer = ast.Call(node.func, [*inner.args[:1], *node.args[1:]], node.keywords)
            if ast.dump(outer) == ast.dump(inner):
                return inner
        return node


def _names(node: ast.AST) -> set[str]:
    """What an expression reads: local names, and attributes of ``self``, but for constants."""
    found = {own_attribute(n) or (n.id if isinstance(n, ast.Name) else "") for n in ast.walk(node)}
    return {name for name in found if name and name != "self" and not name.isupper()}


def _folded(node: ast.BinOp) -> ast.expr | None:
    """Literals combined, if the result is an ordinary number."""
    left, right, operation = number_of(node.left), number_of(node.right), ARITHMETIC.get(type(node.op))
    if operation is None or left is None or right is None or max(abs(left), abs(right)) > LARGEST:
        return None
    try:
        value = operation(left, float(right) if isinstance(node.op, ast.Pow) else right)
    except (ArithmeticError, ValueError):
        return None
    if isinstance(value, complex) or not abs(value) <= LARGEST:
        return None
    return number_node(value if isinstance(value, int) else float(f"{value:.4g}"))


def _signed(node: ast.BinOp) -> ast.expr:
    """x + -c reads x - c, and x - -c reads x + c."""
    if isinstance(node.op, ast.Add | ast.Sub) and isinstance(node.right, ast.UnaryOp):
        if isinstance(node.right.op, ast.USub):
            flipped = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            return ast.BinOp(node.left, flipped, node.right.operand)
    return node


def _drop_dead_locals(method: ast.FunctionDef) -> None:
    """Assignments to local names that nobody reads."""
    read = {n.id for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}

    def dead(statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            selfish = ast.unparse(target) == ast.unparse(statement.value)
            return isinstance(target, ast.Name) and (target.id not in read or selfish)
        return False

    _filter(method, dead)


def _drop_after_return(method: ast.FunctionDef) -> None:
    for place, statement in enumerate(method.body):
        if isinstance(statement, ast.Return):
            del method.body[place + 1 :]
            return


def _drop_zero_states(program: Program) -> None:
    """States that begin at zero and are never changed go, where they are only added or taken off."""
    if not program.initial:
        return
    touched = read_attributes(program.methods["__init__"])  # it may be changed under another name
    touched |= {name for method in program.rules.values() for name in assigned_attributes(method)}
    for name, begin in program.initial.items():
        is_zero = isinstance(begin.value, ast.Call) and ast.unparse(begin.value.func).endswith(".zeros")
        if is_zero and name not in touched:
            without, kinds = program.copy(), Kinds(program)
            for method in without.rules.values():
                _WithoutZero(name, kinds, method.name).visit(method)
            if not any(name in read_attributes(method) for method in without.rules.values()):
                program.tree, program.rule = without.tree, without.rule


class _WithoutZero(ast.NodeTransformer):
    """Takes an attribute that is zero out of sums and differences of arrays of its shape."""

    def __init__(self, name: str, kinds: Kinds, method: str) -> None:
        self.name, self.kinds, self.method = name, kinds, method

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        first = own_attribute(node.left) == self.name
        if not isinstance(node.op, ast.Add | ast.Sub) or not (
            first or own_attribute(node.right) == self.name
        ):
            return node
        other = node.right if first else node.left
        if not self._is_alike(other):
            return node
        return ast.UnaryOp(ast.USub(), other) if first and isinstance(node.op, ast.Sub) else other

    def _is_alike(self, node: ast.expr) -> bool:
        """An array of the same shape: known to be one, or made of an argument and not known to be another."""
        kind = self.kinds.of(node, self.method)
        given = {*arguments(self.kinds.program.methods[self.method])} - {self.kinds.time(self.method)}
        return kind == ENTRY or (kind is None and bool(_names(node) & given))


def _drop_dead_states(program: Program) -> None:
    """Attributes that are read by nothing but their own updates go, with these updates."""
    live = _live_attributes(program)
    for method in program.methods.values():
        _filter(method, lambda statement: _only_writes(statement) not in live | {None})


def _live_attributes(program: Program) -> set[str]:
    """Attributes that reach a returned value, a condition, a call or another live attribute."""
    feeds: list[tuple[str | None, set[str]]] = []
    for method in program.methods.values():
        for statement in ast.walk(method):
            if isinstance(statement, ast.If | ast.While):
                feeds.append((None, _read(statement.test)))
            elif isinstance(statement, ast.For):
                feeds.append((None, _read(statement.iter)))
            elif isinstance(statement, ast.stmt) and not isinstance(statement, ast.FunctionDef):
                feeds.append((_only_writes(statement), _read(statement)))
    live: set[str] = set()
    while True:
        more = {name for target, read in feeds if target is None or target in live for name in read}
        if more <= live:
            return live
        live |= more


def _read(node: ast.AST) -> set[str]:
    return {name for n in ast.walk(node) if (name := own_attribute(n)) and isinstance(n.ctx, ast.Load)}  # type: ignore[attr-defined]


def _only_writes(statement: ast.stmt) -> str | None:
    """The attribute of ``self`` that is all this statement changes."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return own_attribute(statement.targets[0])
    return own_attribute(statement.target) if isinstance(statement, ast.AugAssign) else None


def _drop_dead_constants(program: Program) -> None:
    mentioned = {n.attr for n in ast.walk(program.tree) if isinstance(n, ast.Attribute)}
    mentioned |= {
        n.id for n in ast.walk(program.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    dead = {id(node) for name, node in program.constants.items() if name not in mentioned}
    program.rule.body = [node for node in program.rule.body if id(node) not in dead]


def _filter(node: ast.AST, dead: Callable[[ast.stmt], bool]) -> None:
    """Remove the statements for which ``dead`` holds, at any depth, and conditions left empty."""
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for statement in block:
            if isinstance(statement, ast.If | ast.For | ast.While | ast.With):
                _filter(statement, dead)
        block[:] = [s for s in block if not dead(s) and not _is_hollow(s)]


def _is_hollow(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and not statement.body and not statement.orelse


def _fill_empty(program: Program) -> None:
    for node in ast.walk(program.rule):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not body:
            body.append(ast.Pass())
