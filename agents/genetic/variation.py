"""New programs from old: one to three operators in a row, simplified, small, and never seen before."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from agents.genetic.interface import Interface, narrow, observe, widen
from agents.genetic.kinds import TIME, Kinds
from agents.genetic.operators import OPERATORS
from agents.genetic.program import (
    MODULES,
    Program,
    assigned_attributes,
    import_missing,
    own_attribute,
    read_attributes,
)
from agents.genetic.render import ancestors_of, render
from agents.genetic.scene import Change, Donor, Scene
from agents.genetic.simplify import simplify
from tools.novelty import fingerprint

STEPS = (1, 1, 1, 1, 2, 2, 3)
"""How many operators are applied in a row, drawn evenly: mostly small steps, some large."""
TRIES = 60
MOST_ANCESTORS = 4
COMFORTABLE, LARGEST = 260, 480
"""Syntax nodes of a rule: above the first, growing becomes improbable; above the second, impossible
(a large parent may be varied, not enlarged)."""


@dataclass(frozen=True)
class Variation:
    source: str
    operator: str
    """Names joined by a plus."""
    changes: tuple[Change, ...]


def vary(
    parent: Program,
    donors: Sequence[Donor],
    random: Random,
    weights: Mapping[str, float],
    taken: Collection[bytes] = (),
    interface: Interface | None = None,
) -> Variation | None:
    """A program unlike ``parent``, with an identity not in ``taken``; None when none was found."""
    if interface is None:
        interface = observe([parent, *[donor.program for donor in donors]])
    taken = {*taken, identity(parent)}
    others = {name: weight for name, weight in weights.items() if name != "recollect"}
    for attempt in range(TRIES):
        program = parent.copy()
        widen(program, interface)
        chosen = weights if attempt < TRIES // 4 or not any(others.values()) else others
        names, changes = _apply(Scene(program, random, donors), random.choice(STEPS), chosen)
        if not changes:
            continue
        simplify(program)
        narrow(program, interface)
        import_missing(program)
        if not _is_acceptable(program, parent, random):
            continue
        source = render(program, _ancestors(parent, donors, changes))
        if identity(Program(source)) not in taken:
            return Variation(source, "+".join(names), tuple(changes))
    return None


def _apply(scene: Scene, steps: int, weights: Mapping[str, float]) -> tuple[list[str], list[Change]]:
    """Different operators in a row; tuning comes first, so that it does not touch fresh constants."""
    drawn = {scene.random.choices(list(weights), list(weights.values()))[0] for _ in range(steps)}
    if "recollect" in drawn:  # what was found to work is taken up as it was
        drawn = {"recollect"}
    order = sorted(drawn, key=list(OPERATORS).index)
    names: list[str] = []
    changes: list[Change] = []
    for name in order:
        fresh = Scene(scene.program, scene.random, scene.donors)
        change = OPERATORS[name].apply(fresh)
        if change is not None:
            names.append(name)
            changes.append(change)
    return names, changes


def identity(program: Program) -> bytes:
    """The fingerprint of the program written plainly."""
    mark = fingerprint(ast.unparse(program.tree))
    assert mark is not None  # what was unparsed can be parsed
    return mark.identity


def _is_acceptable(program: Program, parent: Program, random: Random) -> bool:
    if program.size > max(LARGEST, parent.size) or undefined(program) or starved(program) - starved(parent):
        return False
    if (parent.states and not program.states) or len(program.rules) < len(parent.rules):
        return False
    growth = program.size - parent.size
    return program.size <= COMFORTABLE or growth <= 0 or random.random() < 0.5 ** (growth / 30)


def undefined(program: Program) -> set[str]:
    """Attributes and names that are read and never given a value."""
    attributes = [(name, node) for node in ast.walk(program.rule) if (name := own_attribute(node))]
    given = (
        {name for name, node in attributes if _stores(node)} | set(program.methods) | set(program.constants)
    )
    missing = {name for name, _ in attributes} - given
    outer = set(dir(builtins)) | MODULES | _module_names(program.tree)
    for method in program.methods.values():
        local = {node.arg for node in ast.walk(method) if isinstance(node, ast.arg)}
        names = [node for node in ast.walk(method) if isinstance(node, ast.Name)]
        local |= {name.id for name in names if _stores(name)}
        missing |= {name.id for name in names} - local - outer - {"self"}
    return missing


def _module_names(tree: ast.Module) -> set[str]:
    """What the module defines at its top level."""
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    return defined | {n.id for node in assigned for n in ast.walk(node) if isinstance(n, ast.Name)}


def starved(program: Program) -> set[str]:
    """States that nothing but time ever flows into: an accumulation that lost what it accumulates."""
    kinds, fed = Kinds(program), set()
    silent = MODULES | {"self"} | {name for (_, name), kind in kinds.names.items() if kind == TIME}
    for method in program.rules.values():
        for node in ast.walk(method):
            if isinstance(node, ast.Assign | ast.AugAssign) and assigned_attributes(node):
                targets = assigned_attributes(node)
                names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - silent
                states = read_attributes(node) - targets - set(program.constants) - kinds.context
                fed |= targets if names or states else set()
    return set(program.states) - fed


def _stores(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _ancestors(parent: Program, donors: Sequence[Donor], changes: Sequence[Change]) -> tuple[str, ...]:
    """The parent's, and those of a donor whose material went in."""
    found = list(ancestors_of(parent))
    for donor in donors:
        if any(change.donor == donor.name for change in changes):
            found += [name for name in ancestors_of(donor.program) if name not in found]
    return tuple(found[:MOST_ANCESTORS])
