"""Operators on numbers: tune, promote to a named constant, take or mix those of another program."""

from __future__ import annotations

import ast
from random import Random

from agents.genetic.program import Number, Slot, number_node, number_of, slots
from agents.genetic.scene import Change, Scene

NICE = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 1, 1.25, 1.5, 1.75),
    *(2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200),
)
TINY = 1e-5
"""Smaller literals guard a division; they are not worth tuning."""
COUNT = 3
"""Whole numbers from here on are taken for counts."""
ZERO = 0.3
"""How often a literal zero is thought of as a constant at all."""


def tune_constant(scene: Scene) -> Change | None:
    """Another value for one constant; a literal becomes a named class attribute on the way."""
    named = [Slot(node, "value", None, name, True) for name, node in sorted(scene.program.constants.items())]
    slot = scene.pick([*named, *named, *_tunable_literals(scene)])
    value = number_of(slot.node) if slot else None
    if slot is None or value is None:
        return None
    new = perturbed(value, scene.random)
    if slot in named:
        slot.fill(number_node(new))
        return _tuned(f"`{slot.method}`", value, new)
    slot.fill(scene.program.add_constant(_role(slot), new))
    return _tuned(f"a constant of `{slot.method}`", value, new)


def jitter_constants(scene: Scene) -> Change | None:
    """A small step of all named constants at once."""
    named = scene.program.constants
    if len(named) < 2:
        return None
    moves = []
    for name, node in sorted(named.items()):
        value = number_of(node.value)
        new = rounded((value or 0) * scene.random.lognormvariate(0, 0.12), value or 0)
        node.value = number_node(new)
        moves.append(f"`{name}` {value:g} to {new:g}")
    return Change(
        f"moving the constants together ({', '.join(moves)})", "find a better compromise between them"
    )


def mix_constants(scene: Scene) -> Change | None:
    """Constants of the same name from another program: taken, or the point between."""
    donors = [d for d in scene.donors if set(d.program.constants) & set(scene.program.constants)]
    donor = scene.pick(donors)
    if donor is None:
        return None
    moves, part = [], scene.random.choice((0.5, 1.0, 1.0, 1.5))
    for name in sorted(set(donor.program.constants) & set(scene.program.constants)):
        node = scene.program.constants[name]
        mine, theirs = number_of(node.value), number_of(donor.program.constants[name].value)
        if mine != theirs and mine is not None and theirs is not None:
            new = rounded(mine + part * (theirs - mine), mine)
            node.value = number_node(new)
            moves.append(f"`{name}` {mine:g} to {new:g}")
    if not moves:
        return None
    what = f"moving constants towards those of {donor.name} ({', '.join(moves)})"
    return Change(what, "share what made them good", donor.name)


def perturbed(value: Number, random: Random) -> Number:
    """A different value: a small or large step on the log scale, a round number near, or the other sign."""
    for _ in range(20):
        new = rounded(_step(value, random), value)
        if new != value:
            return new
    return value + 1


def rounded(new: float, old: Number) -> Number:
    """Three digits; what counted iterations goes on counting, since it may be compared with them."""
    if isinstance(old, int) and abs(old) >= COUNT:
        return round(new)
    return float(f"{new:.3g}")


def _step(value: Number, random: Random) -> float:
    if value == 0:
        return random.choice((-1, 1)) * random.choice((0.01, 0.1, 0.5, 1.0))
    size, sign = abs(value), -1 if value < 0 else 1
    way = random.random()
    if way < 0.04:
        return -value
    if 0.5 < size < 1 and way < 0.5:
        return sign * (1 - min((1 - size) * random.lognormvariate(0, 0.7), 0.95))
    if way < 0.55:
        return value * random.lognormvariate(0, random.choice((0.1, 0.3, 0.8)))
    if way < 0.9:
        return sign * random.choice([nice for nice in NICE if size / 4 <= nice <= size * 4] or [size * 2])
    step = 0.05 if size <= 1 else 0.5
    return value + random.choice((-2, -1, 1, 2)) * step


def _tunable_literals(scene: Scene) -> list[Slot]:
    found = []
    for slot in slots(scene.program):
        value = number_of(slot.node)
        inside = isinstance(slot.parent, ast.BinOp) or (isinstance(slot.parent, ast.keyword) and slot.free)
        dimension = isinstance(slot.parent, ast.keyword) and slot.parent.arg not in ("min", "max")
        if value is not None and inside and not dimension and not 0 < abs(value) < TINY:
            found.append(slot)
    settled = [slot for slot in found if number_of(slot.node) == 0]
    return found if scene.random.random() < ZERO else [slot for slot in found if slot not in settled]


def _role(slot: Slot) -> str:
    """A name for a literal from what it does."""
    parent = slot.parent
    if isinstance(parent, ast.keyword):
        return "FLOOR" if parent.arg == "min" else "CAP"
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow):
        return "EXPONENT" if slot.field == "right" else "BASE"
    return "WEIGHT" if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult) else "OFFSET"


def _tuned(name: str, old: Number, new: Number) -> Change:
    way = "raising" if new > old else "lowering"
    return Change(f"{way} {name} from {old:g} to {new:g}", "fit the strength of this term better")
