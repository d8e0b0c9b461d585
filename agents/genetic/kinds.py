"""What kind of quantity an expression is: a number, the iteration number, or an array of one of two shapes.

Inferred by abstract interpretation of the source; no program is executed. What a helper takes and gives comes
from a short vocabulary, the rest from the flow of values: what is added to an array has its shape, an
argument of one name has one kind in every method. None stands for "not known".
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from agents.genetic.program import MODULES, Program, arguments, number_of, own_attribute

TIME, SCALAR, GROUP, ENTRY = "time", "scalar", "group", "entry"
"""The iteration number; a number; an array per group (infoset); an array per entry (action of an infoset)."""

HELPERS: dict[str, tuple[str | None, str]] = {
    "zeros": (None, ENTRY),
    "ones": (None, ENTRY),
    "uniform": (None, ENTRY),
    "sum": (ENTRY, GROUP),
    "max": (ENTRY, GROUP),
    "min": (ENTRY, GROUP),
    "mean": (ENTRY, GROUP),
    "expand": (GROUP, ENTRY),
    "normalise": (ENTRY, ENTRY),
    "softmax": (ENTRY, ENTRY),
    "project": (ENTRY, ENTRY),
    "payoff": (ENTRY, ENTRY),
    "accumulate": (ENTRY, ENTRY),
    "standardise": (ENTRY, ENTRY),
}
"""Methods of the object that the constructor receives: what they take, what they give."""
FIELDS = {"actions": GROUP, "strategies": GROUP, "count": SCALAR, "sequences": SCALAR}
TIME_NAMES = frozenset({"t", "it", "iteration", "step", "epoch", "time"})
ELEMENTWISE = frozenset(
    "clamp relu sqrt exp log log1p tanh abs sign maximum minimum where pow square sigmoid".split()
)
NEVER_NEGATIVE = frozenset({"policy", "reach", "realisation", "opponent_reach", "probability"})
"""Arguments that hold probabilities."""
PASSES = 6


class Kinds:
    """Kinds of a program's attributes, arguments and expressions."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.context = set(program.context)
        self.attributes: dict[str, str] = {name: SCALAR for name in program.constants}
        self.names: dict[tuple[str, str], str] = {}
        """(method, local name); arguments are kept under the method "": they mean the same everywhere."""
        for method in program.rules.values():
            for name in arguments(method):
                if name in TIME_NAMES:
                    self.names["", name] = TIME
        for _ in range(PASSES):
            before = (dict(self.attributes), dict(self.names))
            for name, method in program.methods.items():
                self._flow(method, name)
            if before == (self.attributes, self.names):
                break
        self._name_alike()

    def of(self, node: ast.AST, method: str) -> str | None:
        """The kind of an expression inside a method."""
        if number_of(node) is not None:
            return SCALAR
        if isinstance(node, ast.Name):
            return self.names.get(self._key(node.id, method))
        if isinstance(node, ast.Attribute):
            attribute = own_attribute(node)
            return self.attributes.get(attribute) if attribute else FIELDS.get(node.attr)
        if isinstance(node, ast.BinOp):
            return join(self.of(node.left, method), self.of(node.right, method))
        if isinstance(node, ast.UnaryOp):
            return self.of(node.operand, method)
        if isinstance(node, ast.IfExp):
            return join(self.of(node.body, method), self.of(node.orelse, method))
        return self._of_call(node, method) if isinstance(node, ast.Call) else None

    def in_scope(self, method: str, kind: str) -> list[str]:
        """Expressions of a kind that a method can read: its arguments, then the attributes."""
        found = [
            name for name in arguments(self.program.methods[method]) if self.names.get(("", name)) == kind
        ]
        return found + [
            f"self.{name}" for name, known in self.attributes.items() if known == kind and not name.isupper()
        ]

    def signed(self, name: str) -> bool:
        """Can an argument or attribute hold negative numbers, as far as its updates tell?"""
        if name in NEVER_NEGATIVE:
            return False
        values = [
            node.value
            for method in self.program.rules.values()
            for node in ast.walk(method)
            if isinstance(node, ast.Assign)
            and own_attribute(node.targets[0]) == name
            or isinstance(node, ast.AugAssign)
            and own_attribute(node.target) == name
        ]
        if not values:
            return True
        names = {n.id for value in values for n in ast.walk(value) if isinstance(n, ast.Name)}
        signed = (
            {name for name in names if self.names.get(("", name)) != TIME}
            - NEVER_NEGATIVE
            - MODULES
            - {"self"}
        )
        floored = all("min=0.0" in ast.unparse(value) for value in values)
        return bool(signed) and not floored

    def time(self, method: str) -> str | None:
        """The argument that counts iterations."""
        return next(iter(self.in_scope(method, TIME)), None)

    def helper(self, name: str) -> str | None:
        """``self.infosets.expand``: how to reach a helper of the vocabulary, if the program uses any."""
        for node in ast.walk(self.program.tree):
            if (
                isinstance(node, ast.Attribute)
                and own_attribute(node.value) in self.context
                and node.attr in HELPERS
            ):
                return f"{ast.unparse(node.value)}.{name}"
        return None

    def _key(self, name: str, method: str) -> tuple[str, str]:
        in_method = self.program.methods.get(method)
        return ("", name) if in_method is not None and name in arguments(in_method) else (method, name)

    def _of_call(self, node: ast.Call, method: str) -> str | None:
        function = node.func
        if not isinstance(function, ast.Attribute):
            return _joined(self.of(argument, method) for argument in node.args)
        if self._is_context(function.value, method):
            return HELPERS.get(function.attr, (None, None))[1]
        if isinstance(function.value, ast.Name) and function.value.id == "torch":
            taken = node.args[1:] if function.attr == "where" else node.args
            return (
                _joined(self.of(argument, method) for argument in taken)
                if function.attr in ELEMENTWISE
                else None
            )
        if isinstance(function.value, ast.Name) and function.value.id == "math":
            return SCALAR
        own = self.program.methods.get(own_attribute(function) or "")
        if own is not None:
            results = [n.value for n in ast.walk(own) if isinstance(n, ast.Return) and n.value is not None]
            recursive = own.name == method
            return None if recursive else _joined(self.of(result, own.name) for result in results)
        return self.of(function.value, method) if function.attr in ELEMENTWISE | {"clone", "clip"} else None

    def _is_context(self, node: ast.AST, method: str) -> bool:
        """Is this the object that the constructor received?"""
        if method == "__init__" and isinstance(node, ast.Name):
            return node.id in arguments(self.program.methods["__init__"])
        return own_attribute(node) in self.context

    def _flow(self, method: ast.FunctionDef, name: str) -> None:
        for node in ast.walk(method):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._learn(node.targets[0], self.of(node.value, name), name)
            elif isinstance(node, ast.AugAssign):
                self._learn(node.target, self.of(node.value, name), name)
                self._spread(node.value, self.of(node.target, name), name)
            elif isinstance(node, ast.BinOp):
                self._of_partner(node, name)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if self._is_context(node.func.value, name):
                    taken = HELPERS.get(node.func.attr, (None, None))[0]
                    self._learn(node.args[0], taken, name)
                    self._spread(node.args[0], taken, name)

    def _spread(self, node: ast.AST, kind: str | None, method: str) -> None:
        """What makes up an array by sums and products, and is nothing known, is taken for such an array."""
        if kind in (GROUP, ENTRY) and self.of(node, method) is None:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
                self._spread(node.left, kind, method)
                self._spread(node.right, kind, method)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                for argument in node.args if node.func.attr in ELEMENTWISE else []:
                    self._spread(argument, kind, method)
            else:
                self._learn(node, kind, method)

    def _name_alike(self) -> None:
        """An argument that nothing tells about is like the one it is named after (opponent_reach: reach)."""
        known = {name: kind for (method, name), kind in self.names.items() if not method}
        for method in self.program.rules.values():
            for name in arguments(method):
                kind = known.get(name.rpartition("_")[2])
                if kind in (GROUP, ENTRY):
                    self.names.setdefault(("", name), kind)

    def _of_partner(self, node: ast.BinOp, method: str) -> None:
        """What is added to or multiplied with an array, and is no number, is such an array."""
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
            left, right = self.of(node.left, method), self.of(node.right, method)
            if left in (GROUP, ENTRY):
                self._learn(node.right, left, method)
            if right in (GROUP, ENTRY):
                self._learn(node.left, right, method)

    def _learn(self, node: ast.AST, kind: str | None, method: str) -> None:
        """The first thing known of a name or attribute stays; a scalar may turn out to be an array."""
        if kind is None:
            return
        kind = SCALAR if kind == TIME else kind
        attribute = own_attribute(node)
        if attribute is not None and attribute not in self.context:
            if self.attributes.get(attribute) in (None, SCALAR) and not attribute.isupper():
                self.attributes[attribute] = kind
        elif isinstance(node, ast.Name):
            key = self._key(node.id, method)
            if self.names.get(key) in ((None, SCALAR) if key[0] else (None,)):
                self.names[key] = kind


def join(first: str | None, second: str | None) -> str | None:
    """The kind of a sum or product: arrays win over numbers; an unknown partner is taken to fit."""
    for kind in (ENTRY, GROUP):
        if kind in (first, second):
            return kind
    if None in (first, second):
        return None
    return SCALAR if first != second or first != TIME else TIME


def _joined(kinds: Iterable[str | None]) -> str | None:
    result: str | None = SCALAR
    for kind in kinds:
        result = join(result, kind)
    return result
