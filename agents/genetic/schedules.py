"""Operators that make the rule depend on the iteration number: weights, schedules, late starts."""

from __future__ import annotations

import ast

from agents.genetic.kinds import ENTRY, GROUP
from agents.genetic.program import Slot, expression, number_of, own_attribute, statements, text
from agents.genetic.scene import Change, Scene, becomes, updated_state

HORIZONS = (3, 5, 10, 20, 50, 100)
POWERS = (0.5, 1.5, 2.0, 2.0, 3.0, 4.0, 8.0)


def bend_time(scene: Scene) -> Change | None:
    """A function of the iteration number in its place."""
    slot = scene.pick(scene.time_slots())
    if slot is None:
        return None
    form = scene.random.choice(
        ("_0 ** _1", "_0 ** _1", "max(_0 - _1, 0)", "_0 / (_0 + _1)", "_0 * (_0 + _1)")
    )
    if "**" in form:
        constant = scene.program.add_constant("POWER", scene.random.choice(POWERS))
    else:
        constant = scene.program.add_constant("DELAY", scene.random.choice(HORIZONS))
    new = expression(form, slot.node, constant)
    what = becomes(slot.method, slot.node, new)
    slot.fill(new)
    return Change(what, "shift weight between early and late iterations")


def weigh_by_time(scene: Scene) -> Change | None:
    """Scale what is added to a state by a function of the iteration number."""
    options = []
    for method, state, statement in scene.updates():
        time = scene.kinds.time(method)
        if time:
            options += [(slot, state, time) for slot in increments(scene, method, statement)]
    choice = scene.pick(options)
    if choice is None:
        return None
    slot, state, time = choice
    form = scene.random.choice(("{t} ** _1 * _0", "{t} * _0", "{t} / ({t} + _1) * _0", "_0 / {t} ** _1"))
    value = scene.random.choice((0.25, 0.5, 1.0, 1.5, 2.0) if "**" in form else HORIZONS)
    constant = (
        scene.program.add_constant("POWER" if "**" in form else "DELAY", value)
        if "_1" in form
        else expression("0")
    )
    new = expression(form.format(t=time), slot.node, constant)
    what = f"adding `{text(new)}` instead of `{text(slot.node)}` to `{state}` in `{slot.method}`"
    slot.fill(new)
    return Change(what, "make early and late iterations count differently")


def schedule_constant(scene: Scene) -> Change | None:
    """Let a constant grow or fade with the iterations."""
    options = []
    for slot in scene.free_slots():
        attribute = own_attribute(slot.node)
        is_constant = attribute in scene.program.constants or number_of(slot.node) not in (None, 0)
        time = scene.kinds.time(slot.method)
        if is_constant and time and isinstance(slot.parent, ast.BinOp | ast.keyword):
            options.append((slot, time))
    choice = scene.pick(options)
    if choice is None:
        return None
    slot, time = choice
    form, way = scene.random.choice(
        (
            ("_0 * {t} / ({t} + _1)", "grow"),
            ("_0 / (1 + {t} / _1)", "fade"),
            ("_0 * (1 + _1 / {t})", "settle"),
        )
    )
    horizon = scene.program.add_constant("HORIZON", scene.random.choice(HORIZONS))
    new = expression(form.format(t=time), slot.node, horizon)
    what = f"letting `{text(slot.node)}` {way} over the iterations as `{text(new)}` in `{slot.method}`"
    slot.fill(new)
    return Change(what, "give early iterations another value than late ones")


def start_late(scene: Scene) -> Change | None:
    """Leave out the first iterations of an accumulation, or forget them once."""
    options = []
    for method, state, statement in scene.updates():
        body, time = scene.program.methods[method].body, scene.kinds.time(method)
        started = any(isinstance(s, ast.If) for s in body)
        if time and not started and scene.kinds.attributes.get(state) in (ENTRY, GROUP):
            options.append((method, state, statement, time, all(updated_state(s) for s in body)))
    choice = scene.pick(options)
    if choice is None:
        return None
    method, state, statement, time, skippable = choice
    body = scene.program.methods[method].body
    length = scene.random.choice(HORIZONS)
    constant = scene.program.add_constant("WARM_UP", length)
    if skippable and scene.random.random() < 0.5:
        body[:0] = statements(f"if {time} <= _0:\n    return", constant)
        return Change(
            f"skipping `{method}` for the first {length} iterations", "keep poor early policies out"
        )
    body[body.index(statement) : body.index(statement)] = statements(
        f"if {time} == _0:\n    self.{state} = 0 * self.{state}", constant
    )
    return Change(
        f"forgetting `{state}` once, at iteration {length}, in `{method}`",
        "drop what poor early policies left",
    )


def increments(scene: Scene, method: str, statement: ast.stmt) -> list[Slot]:
    """The places in an update that hold what is added to the state: the operands beside the state itself."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        return [Slot(statement, "value", None, method, True)]
    state, found = updated_state(statement), []
    for node in ast.walk(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            for side, other in (("left", node.right), ("right", node.left)):
                holds = any(own_attribute(n) == state for n in ast.walk(other))
                own = getattr(node, side)
                array = scene.kinds.of(own, method) in (ENTRY, GROUP, None)
                if holds and array and not any(own_attribute(n) == state for n in ast.walk(own)):
                    found.append(Slot(node, side, None, method, True))
    return found
