"""Operators on expressions that know nothing of their meaning but the kind: wrap, insert, replace, delete."""

from __future__ import annotations

import ast

from agents.genetic.kinds import ELEMENTWISE, ENTRY, GROUP, SCALAR, TIME
from agents.genetic.program import (
    Slot,
    assigned_attributes,
    expression,
    number_of,
    own_attribute,
    statements,
    text,
)
from agents.genetic.scene import Change, Scene, becomes

ARRAY_WRAPS = (
    "torch.clamp(_0, min=0.0)",
    "torch.sqrt(torch.clamp(_0, min=0.0))",
    "torch.tanh(_0)",
    "torch.abs(_0)",
    "torch.sign(_0) * torch.abs(_0) ** _1",
    "_0 / (_1 + torch.abs(_0))",
    "_1 * _0",
)
NUMBER_WRAPS = ("_0 ** _1", "_0 / (_0 + _1)", "_1 * _0", "_0 + _1")
SWAPS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}


def wrap(scene: Scene) -> Change | None:
    """Put a function around an expression."""
    slot = scene.pick([slot for slot in scene.free_slots() if number_of(slot.node) is None])
    if slot is None:
        return None
    kind = scene.kind(slot)
    templates: tuple[str, ...] = ARRAY_WRAPS if scene.has_torch and kind in (ENTRY, GROUP) else NUMBER_WRAPS
    if kind is None:
        templates = ("_1 * _0",)
    template = scene.random.choice(templates)
    constant = expression("0")
    if "_1" in template:
        constant = scene.program.add_constant("SHAPE", scene.random.choice((0.25, 0.5, 0.75, 1.25, 1.5, 2.0)))
    return _filled(slot, expression(template, slot.node, constant), "change how strongly large values count")


def insert_term(scene: Scene) -> Change | None:
    """Combine an expression with a quantity in scope of a kind that fits."""
    slot = scene.pick([s for s in scene.free_slots() if scene.kind(s) in (ENTRY, GROUP, SCALAR, TIME)])
    if slot is None:
        return None
    others = [other for other in _fitting(scene, slot) if other != text(slot.node)]
    other = scene.pick(others)
    if other is None:
        return None
    forms = ["_0 + _2 * _1", "_0 - _2 * _1", "_0 * _1", "_0 * (1 + _2 * _1)"]
    if scene.has_torch and scene.kind(slot) in (ENTRY, GROUP):
        forms.append("torch.maximum(_0, _2 * _1)")
    form = scene.random.choice(forms)
    constant = expression("0")
    if "_2" in form:
        constant = scene.program.add_constant("SHARE", scene.random.choice((0.02, 0.1, 0.25, 0.5, 1.0)))
    new = expression(form, slot.node, expression(other), constant)
    return _filled(slot, new, f"let `{other}` take part there")


def replace_variable(scene: Scene) -> Change | None:
    """Another quantity of the same kind in the place of one."""
    options = []
    for slot in scene.free_slots():
        if isinstance(slot.node, ast.Name) or own_attribute(slot.node):
            kind = scene.kind(slot)
            names = scene.kinds.in_scope(slot.method, kind) if kind else []
            options += [(slot, name) for name in names if name != text(slot.node)]
    choice = scene.pick(options)
    if choice is None:
        return None
    slot, name = choice
    return _filled(slot, expression(name), f"let `{name}` lead instead")


def replace_operator(scene: Scene) -> Change | None:
    """Another arithmetic operator between two operands."""
    slot = scene.pick(
        [s for s in scene.free_slots() if isinstance(s.node, ast.BinOp) and type(s.node.op) in SWAPS]
    )
    if slot is None or not isinstance(slot.node, ast.BinOp):
        return None
    options = SWAPS[type(slot.node.op)]
    if scene.kinds.of(slot.node.right, slot.method) in (ENTRY, GROUP, None):
        options = tuple(option for option in options if option is not ast.Div) or options
    new = ast.BinOp(slot.node.left, scene.random.choice(options)(), slot.node.right)
    return _filled(slot, new, "test whether the operands were combined the right way")


def delete_term(scene: Scene) -> Change | None:
    """One operand, one function call or one statement less."""
    options = [(slot, part) for slot in scene.free_slots() for part in _parts(scene, slot)]
    lines = [
        (method, statement)
        for method in scene.program.rules.values()
        for statement in method.body
        if len(method.body) > 1 and (isinstance(statement, ast.If) or assigned_attributes(statement))
    ]
    if lines and (not options or scene.random.random() < 0.3):
        method, statement = scene.random.choice(lines)
        method.body.remove(statement)
        first = text(statement)
        return Change(f"deleting `{first}` from `{method.name}`", "show that the rule is as good without it")
    choice = scene.pick(options)
    if choice is None:
        return None
    return _filled(choice[0], choice[1], "show that the rule is as good without the rest")


def add_floor(scene: Scene) -> Change | None:
    """Bound what a state may become from below or above, or move such a bound."""
    updates = [u for u in scene.updates() if scene.kinds.signed(u[1]) or "min=0.0" in ast.unparse(u[2])]
    updates = [u for u in updates if scene.kinds.attributes.get(u[1]) in (ENTRY, GROUP)]
    choice = scene.pick(updates)
    if choice is None or not scene.has_torch:
        return None
    method, state, statement = choice
    value = scene.random.choice((0.0, 0.0, -0.1, -1.0, -10.0))
    bound = expression("0.0") if value == 0 else scene.program.add_constant("FLOOR", value)
    line = statements(f"self.{state} = torch.clamp(self.{state}, min=_0)", bound)[0]
    body = scene.program.methods[method].body
    body.insert(body.index(statement) + 1, line)
    return Change(f"keeping `{state}` above {value:g} in `{method}`", "forget long-past failures faster")


def _parts(scene: Scene, slot: Slot) -> list[ast.expr]:
    """What may stand for an expression when something of it is left out."""
    node, kind = slot.node, scene.kind(slot)
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right] if isinstance(node.op, ast.Add | ast.Mult) else [node.left]
        return [part for part in parts if scene.kinds.of(part, slot.method) == kind]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ELEMENTWISE:
        return [part for part in node.args if scene.kinds.of(part, slot.method) == kind and kind is not None]
    return []


def _fitting(scene: Scene, slot: Slot) -> list[str]:
    """Expressions in scope that can be added to or multiplied with the one in the slot."""
    kind, kinds = scene.kind(slot), scene.kinds
    if kind in (SCALAR, TIME):
        return kinds.in_scope(slot.method, TIME)
    found = kinds.in_scope(slot.method, str(kind))
    expand = kinds.helper("expand")
    if kind == ENTRY and expand:
        found += [f"{expand}({name})" for name in kinds.in_scope(slot.method, GROUP)]
    return found


def _filled(slot: Slot, new: ast.expr, why: str) -> Change:
    what = becomes(slot.method, slot.node, new)
    slot.fill(new)
    return Change(what, why)
