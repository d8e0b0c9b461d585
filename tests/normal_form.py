"""A program's normal form by trees rewritten one after another: the plain oracle of ``tools.novelty``."""

from __future__ import annotations

import ast


def normal_form(source: str, own: set[str]) -> tuple[str, str]:
    """The dumped tree with the program's own names numbered; and the same without constants."""
    tree = _without_prose(ast.parse(source))
    identity = ast.dump(_Renamer(own).visit(tree))
    return identity, ast.dump(_Unnumbered().visit(tree))


def _without_prose(tree: ast.Module) -> ast.Module:
    """Drop expressions that are only a constant: docstrings and stray strings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


class _Renamer(ast.NodeTransformer):
    """Numbers the program's own names in order of appearance."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"n{len(self.numbers)}") if name in self.own else name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._number(node.name)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._number(node.arg), None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._number(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            node.attr = self._number(node.attr)
        return self.generic_visit(node)


class _Unnumbered(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return ast.Constant(value=0) if is_number else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """A constant's sign belongs to the constant."""
        inner = self.visit(node.operand)
        is_sign = isinstance(node.op, ast.USub | ast.UAdd) and isinstance(inner, ast.Constant)
        return inner if is_sign else ast.UnaryOp(op=node.op, operand=inner)
