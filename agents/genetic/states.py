"""Operators on what a rule remembers: forgetting, anticipation, inertia, scale, asymmetry, contrast.

They are patterns over any accumulated state ("scale it before adding"), found in the source by data flow.
"""

from __future__ import annotations

import ast

from agents.genetic.kinds import ENTRY, GROUP
from agents.genetic.program import (
    NORMALISERS,
    Slot,
    arguments,
    assigned_attributes,
    expression,
    own_attribute,
    statements,
    text,
)
from agents.genetic.scene import Change, Scene
from agents.genetic.schedules import increments

POWER_FADES = ("{t} ** _0 / ({t} ** _0 + 1)", "(({t} - 1) / {t}) ** _0")
FADES = (*POWER_FADES, *POWER_FADES, "{t} / ({t} + _0)", "_0")


def discount_state(scene: Scene) -> Change | None:
    """Scale an accumulated state by a ratio below one before something is added to it."""
    options = [u for u in scene.updates() if not any(_is_scaling(s, u[1]) for s in scene.body(u[0]))]
    options = [u for u in options if scene.kinds.attributes.get(u[1]) in (ENTRY, GROUP, None)]
    choice = scene.pick(options)
    if choice is None:
        return None
    method, state, statement = choice
    time = scene.kinds.time(method)
    signed = scene.has_torch and scene.kinds.signed(state) and scene.random.random() < 0.5
    factors = [_fade(scene, time) for _ in range(1 + signed)]
    factor = factors[0]
    if signed:
        factor = expression(f"torch.where(self.{state} > 0, _0, _1)", *factors)
    body = scene.program.methods[method].body
    late = scene.random.random() < 0.3
    place = body.index(statement) + late
    body[place:place] = statements(f"self.{state} = self.{state} * _0", factor)
    order = "after" if late else "before"
    what = f"scaling `{state}` by `{text(factor, 90)}` {order} adding to it in `{method}`"
    return Change(what, "let old iterations count less")


def anticipate(scene: Scene) -> Change | None:
    """Where a state is read, take it as if the newest increment came once more."""
    options = _anticipations(scene)
    choice = scene.pick(options)
    if choice is None:
        return None
    slot, newest = choice
    share = scene.random.choice((1.0, 1.0, 1.0, 0.5, 1.5, 2.0))
    term = expression(newest)
    if share != 1.0:
        term = expression("_0 * _1", scene.program.add_constant("FORESIGHT", share), term)
    what = f"reading `{text(slot.node)}` in `{slot.method}` as if `{text(term)}` had been added once more"
    slot.fill(expression("_0 + _1", slot.node, term))
    return Change(what, "act on the next increment, which resembles the last one")


def lead(scene: Scene) -> Change | None:
    """Where a state is read, add a share of its distance from its own running mean: the derivative term of a
    controller, as AOD-CFR has it (Li et al. 2026, Listing 7)."""
    states = {s for s in scene.program.states if f"slow_{s}" not in scene.program.initial}
    options = [
        slot
        for slot in scene.free_slots()
        if (state := own_attribute(slot.node)) in states
        and state not in assigned_attributes(scene.program.methods[slot.method])
        and scene.kinds.attributes.get(str(state)) == ENTRY
        and arguments(scene.program.methods[slot.method])  # what is called once an iteration
    ]
    slot, maker = scene.pick(options), scene.kinds.helper("zeros")
    if slot is None or maker is None or "__init__" not in scene.program.methods:
        return None
    state = str(own_attribute(slot.node))
    slow = scene.program.add_state(f"slow_{state}", expression(f"{maker}()"))
    keep = scene.program.add_constant("INERTIA", scene.random.choice((0.9, 0.95, 0.95, 0.98)))
    share = scene.program.add_constant("LEAD", scene.random.choice((0.5, 1.0, 1.0, 1.5)))
    line = statements(f"self.{slow} = _0 * self.{slow} + (1 - _0) * self.{state}", keep)
    new = expression(f"_0 + _1 * (self.{state} - self.{slow})", slot.node, share)
    what = f"reading `{text(slot.node)}` in `{slot.method}` ahead of its running mean, as `{text(new)}`"
    slot.fill(new)
    scene.program.methods[slot.method].body[:0] = line
    return Change(what, "follow where the state is heading and damp its swings")


def sharpen(scene: Scene) -> Change | None:
    """Raise the weights of a distribution to a power."""
    options = []
    for place in scene.array_slots():
        parent = place.parent
        if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
            sharp = isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.Pow)
            if parent.func.attr in NORMALISERS and place.field == "args" and not sharp:
                options.append(place)
    slot = scene.pick(options)
    if slot is None or not scene.has_torch:
        return None
    power = scene.random.choice((0.5, 0.75, 1.25, 1.5, 2.0, 3.0))
    constant = scene.program.add_constant("CONTRAST", power)
    what = f"raising the weights `{text(slot.node)}` to the power {power:g} in `{slot.method}`"
    state = own_attribute(slot.node)
    clean = state is not None and not scene.kinds.signed(state)
    slot.fill(expression("_0 ** _1" if clean else "torch.clamp(_0, min=0.0) ** _1", slot.node, constant))
    why = "concentrate on the best entries" if power > 1 else "keep more entries in play"
    return Change(what, why)


def smooth_input(scene: Scene) -> Change | None:
    """Use a running mean of an argument, kept as a new state, in the place of the argument."""
    fresh = [s for s in _argument_slots(scene) if f"smooth_{text(s.node)}" not in scene.program.initial]
    slot = scene.pick(fresh)
    maker = scene.kinds.helper("zeros")
    if slot is None or maker is None or "__init__" not in scene.program.methods:
        return None
    name = text(slot.node)
    state = scene.program.add_state(f"smooth_{name}", expression(f"{maker}()"))
    keep = scene.program.add_constant("INERTIA", scene.random.choice((0.1, 0.25, 0.5, 0.8, 0.9)))
    line = statements(f"self.{state} = _0 * self.{state} + (1 - _0) * {name}", keep)
    slot.fill(expression(f"self.{state}"))
    scene.program.methods[slot.method].body[:0] = line
    return Change(
        f"using a running mean of `{name}` in its place in `{slot.method}`",
        "damp the oscillation between iterations",
    )


def scale_input(scene: Scene) -> Change | None:
    """Divide an argument by its largest size in the group, or by that of all groups."""
    slot = scene.pick(_argument_slots(scene))
    largest, expand = scene.kinds.helper("max"), scene.kinds.helper("expand")
    if slot is None or largest is None or expand is None or not scene.has_torch:
        return None
    name = text(slot.node)
    if scene.random.random() < 0.5:
        size, per = f"{expand}({largest}(torch.abs({name})))", "in its group"
    else:
        size, per = f"torch.max(torch.abs({name}))", "overall"
    slot.fill(expression(f"{name} / ({size} + 1e-12)"))
    what = f"dividing `{name}` by its largest size {per} in `{slot.method}`"
    return Change(what, "make the rule independent of the scale of payoffs")


def tell_signs_apart(scene: Scene) -> Change | None:
    """Give the positive part of an argument another weight than the negative part."""
    slots = [slot for slot in _argument_slots(scene) if scene.kinds.signed(text(slot.node))]
    slots = [s for s in slots if f"{text(s.node)} > 0" not in text(scene.program.methods[s.method], 10000)]
    slot = scene.pick(slots)
    if slot is None or not scene.has_torch:
        return None
    name = text(slot.node)
    weight = scene.random.choice((0.5, 0.8, 0.9, 1.1, 1.2, 1.5, 2.0))
    constant = scene.program.add_constant("BOOST", weight)
    slot.fill(expression(f"torch.where({name} > 0, _0 * {name}, {name})", constant))
    what = f"multiplying the positive part of `{name}` by {weight:g} in `{slot.method}`"
    return Change(what, "react to good news with another strength than to bad news")


def _is_scaling(statement: ast.stmt, state: str) -> bool:
    """Is this ``self.state = self.state * factor``?"""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.BinOp):
        return False
    product = isinstance(statement.value.op, ast.Mult) and own_attribute(statement.value.left) == state
    return product and own_attribute(statement.targets[0]) == state


def _fade(scene: Scene, time: str | None) -> ast.expr:
    form = scene.random.choice(FADES) if time else "_0"
    values = (0.5, 1.0, 1.5, 2.0, 3.0) if "**" in form else (1, 2, 5, 10)
    if form == "_0":
        values = (0.8, 0.9, 0.95, 0.98, 0.99)
    return expression(form.format(t=time), scene.program.add_constant("FADE", scene.random.choice(values)))


def _anticipations(scene: Scene) -> list[tuple[Slot, str]]:
    """(place where a state is read, argument that elsewhere is added to this state)."""
    added: dict[str, set[str]] = {}
    for method, state, statement in scene.updates():
        known = set(arguments(scene.program.methods[method]))
        for slot in increments(scene, method, statement):
            names = {n.id for n in ast.walk(slot.node) if isinstance(n, ast.Name)} & known
            added.setdefault(state, set()).update(n for n in names if scene.kinds.names.get(("", n)) == ENTRY)
    found = []
    for place in scene.free_slots():
        read = own_attribute(place.node)
        inside = {s for m, s, _ in scene.updates() if m == place.method}
        if read in added and read not in inside:
            mine = set(arguments(scene.program.methods[place.method]))
            found += [(place, name) for name in sorted(added[read] & mine)]
    return found


def _argument_slots(scene: Scene) -> list[Slot]:
    """Places that read an array argument."""
    return [
        slot
        for slot in scene.array_slots()
        if isinstance(slot.node, ast.Name) and scene.kinds.names.get(("", slot.node.id)) == ENTRY
    ]
