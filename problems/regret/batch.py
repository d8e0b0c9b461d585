"""Several settings of one rule's constants in one run, for rules that can be run so.

The rule is not told: its constants become tensors [B, 1], its state [B, s]. What PyTorch does not let tensors
be (``alpha=``, arguments of ``math``, of ``min`` and ``max``, bounds of ``clamp``, conditions of
``a if c else b``) is rewritten in its source. Whether the result is the same rule is not guessed but tried,
on a small game.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from problems.regret.score import FLOOR
from problems.syntax import parse

Play = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any] | None]
"""(source, game, settings) -> artifact of the rollout, with any fixed seed; None when the program failed."""
Constants = Sequence[Mapping[str, float]]
"""Settings of class attributes of ``Rule``, all of the same names."""
PROBE = "kuhn3"
AGREEMENT = 0.01
"""Relative difference of two exploitabilities, floored, that rounding may make on the small game."""


def sweep(
    play: Play, source: str, games: Sequence[str], settings: Mapping[str, Any], constants: Constants
) -> list[dict[str, Mapping[str, Any]]] | None:
    """Every setting on every game, all settings at once.

    Returns:
        Per setting, artifacts by game; or None when this rule cannot be batched: then run it B times.

    Raises:
        ValueError: no settings, or settings of different names.
    """
    if not constants or any(set(setting) != set(constants[0]) for setting in constants):
        raise ValueError("a sweep needs settings, all of the same constants")
    wide = widened(source)
    if not _is_same_rule(play, wide, settings, constants):
        return None
    results: list[dict[str, Mapping[str, Any]]] = [{} for _ in constants]
    for game in games:
        artifact = play(wide, game, {**settings, "constants": [dict(setting) for setting in constants]})
        if artifact is None:
            return None
        for result, own in zip(results, artifact["batch"], strict=True):
            result[game] = own
    return results


def _is_same_rule(play: Play, wide: str, settings: Mapping[str, Any], constants: Constants) -> bool:
    """On the small game: does each end of the batch do what it does alone?"""
    together = play(wide, PROBE, {**settings, "constants": [dict(setting) for setting in constants]})
    if together is None:
        return False
    for b in {0, len(constants) - 1}:
        alone = play(wide, PROBE, {**settings, "constants": [dict(constants[b])]})
        if alone is None or not _agree(together["batch"][b], alone["batch"][0]):
            return False
    return True


def _agree(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return all(
        math.isclose(max(a, FLOOR), max(b, FLOOR), rel_tol=AGREEMENT)
        for name in ("exploitability", "last_iterate")
        for a, b in zip(first[name], second[name], strict=True)
    )


_HELPERS = ast.parse("""
import math as _math
import torch as _torch

def _tensors(values):
    return any(isinstance(value, _torch.Tensor) for value in values)

def _wide_math(name, *values):
    if not _tensors(values):
        return getattr(_math, name)(*values)
    return getattr(_torch, name)(*map(_torch.as_tensor, values))

def _wide_min(*values):
    return _fold(_torch.minimum, values) if len(values) > 1 and _tensors(values) else min(*values)

def _wide_max(*values):
    return _fold(_torch.maximum, values) if len(values) > 1 and _tensors(values) else max(*values)

def _fold(operation, values):
    result = _torch.as_tensor(values[0])
    for value in values[1:]:
        result = operation(result, _torch.as_tensor(value))
    return result

def _wide_clamp(x, min=None, max=None):
    if not _tensors((min, max)):
        return _torch.clamp(x, min=min, max=max)
    x = x if min is None else _torch.maximum(x, _torch.as_tensor(min))
    return x if max is None else _torch.minimum(x, _torch.as_tensor(max))

def _wide_if(condition, then, otherwise):
    if isinstance(condition, _torch.Tensor) and condition.numel() > 1:
        return _torch.where(condition, then(), otherwise())
    return then() if condition else otherwise()
""").body


def widened(source: str) -> str:
    """The same program, in which the constants of ``Rule`` may be tensors. Raises SyntaxError."""
    tree = _Widen().visit(parse(source))
    at = 0
    while at < len(tree.body) and _must_be_first(tree.body[at]):
        at += 1
    tree.body[at:at] = _HELPERS
    return ast.unparse(ast.fix_missing_locations(tree))


def _must_be_first(node: ast.stmt) -> bool:
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return future or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


class _Widen(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        alpha = next((word for word in node.keywords if word.arg == "alpha"), None)
        if alpha is not None and node.args and not isinstance(alpha.value, ast.Constant):
            node.keywords.remove(alpha)
            node.args[-1] = ast.BinOp(alpha.value, ast.Mult(), node.args[-1])
        match node.func:
            case ast.Name(id="min" | "max" as name):
                return _call(f"_wide_{name}", node.args, node.keywords)
            case ast.Attribute(value=ast.Name(id="math"), attr=name):
                return _call("_wide_math", [ast.Constant(name), *node.args], node.keywords)
            case ast.Attribute(value=ast.Name(id="torch"), attr="clamp"):
                return _call("_wide_clamp", node.args, node.keywords)
            case ast.Attribute(value=owner, attr="clamp"):
                return _call("_wide_clamp", [owner, *node.args], node.keywords)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        branches: list[ast.expr] = [ast.Lambda(nothing, branch) for branch in (node.body, node.orelse)]
        return _call("_wide_if", [node.test, *branches], [])


def _call(name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), arguments, keywords)
