"""Plain arithmetic for what is written as calls in place, so that operators see sums and products."""

from __future__ import annotations

import ast

AUGMENTED = {"add_": ast.Add, "sub_": ast.Sub, "mul_": ast.Mult, "div_": ast.Div}
ARITHMETIC = {"add": ast.Add, "sub": ast.Sub, "mul": ast.Mult, "div": ast.Div}


def plain(tree: ast.Module) -> ast.Module:
    """``x.add_(y, alpha=a)`` as ``x += a * y`` or ``x + a * y``, ``torch.add(x, y)`` as ``x + y``, …"""
    return ast.fix_missing_locations(_Plain().visit(tree))


class _Plain(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A call in place for its effect alone."""
        call = node.value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in AUGMENTED
        ):
            target = call.func.value
            if isinstance(target, ast.Name | ast.Attribute) and len(call.args) == 1:
                target.ctx = ast.Store()
                return ast.AugAssign(target, AUGMENTED[call.func.attr](), self.visit(_scaled(call)))
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if not isinstance(function, ast.Attribute):
            return node
        of_torch = isinstance(function.value, ast.Name) and function.value.id == "torch"
        if of_torch and function.attr in ARITHMETIC and len(node.args) == 2:
            return ast.BinOp(node.args[0], ARITHMETIC[function.attr](), _scaled(node))
        if function.attr in AUGMENTED and len(node.args) == 1 and _is_fresh(function.value):
            return ast.BinOp(function.value, AUGMENTED[function.attr](), _scaled(node))
        return node


def _scaled(call: ast.Call) -> ast.expr:
    """The last argument, times ``alpha`` if one is given."""
    value = call.args[-1]
    factor = next((keyword.value for keyword in call.keywords if keyword.arg == "alpha"), None)
    return value if factor is None else ast.BinOp(factor, ast.Mult(), value)


def _is_fresh(node: ast.AST) -> bool:
    """A value that no name holds, so that changing it in place is the same as computing another."""
    return isinstance(node, ast.BinOp | ast.Call)
