"""Operators that take material from other programs: methods, statements, expressions, whole improvements."""

from __future__ import annotations

import ast
import copy
from typing import TypeVar

from agents.genetic.program import (
    Program,
    arguments,
    assigned_attributes,
    own_attribute,
    read_attributes,
    text,
)
from agents.genetic.scene import Change, Donor, Scene

Node = TypeVar("Node", bound=ast.AST)

LONGEST_MERGE = 12
"""Changed statements beyond which an improvement is too large to be borrowed."""


def take_method(scene: Scene) -> Change | None:
    """A whole method of another program, with the attributes and statements elsewhere that feed it."""
    options = [
        (donor, name)
        for donor in scene.donors
        for name, method in donor.program.rules.items()
        if name in scene.program.rules and not _same(method, scene.program.rules[name])
    ]
    choice = scene.pick(options)
    if choice is None:
        return None
    donor, name = choice
    graft = _Graft(scene.program, donor.program)
    graft.method(name)
    return Change(
        f"taking `{name}` and what it needs from {donor.name}", "join the strengths of both rules", donor.name
    )


def take_expression(scene: Scene) -> Change | None:
    """An expression of equal kind from the method of the same name in another program."""
    donor = scene.pick(list(scene.donors))
    slot = scene.pick([slot for slot in scene.free_slots() if scene.kind(slot)])
    if donor is None or slot is None or slot.method not in donor.program.rules:
        return None
    kind, theirs = scene.kind(slot), Scene(donor.program, scene.random)
    fitting = [
        other.node
        for other in theirs.free_slots()
        if other.method == slot.method
        and theirs.kind(other) == kind
        and _is_closed(other.node, donor.program, slot.method)
    ]
    new = scene.pick(
        [node for node in fitting if text(node) != text(slot.node) and isinstance(node, ast.BinOp | ast.Call)]
    )
    if new is None:
        return None
    old = slot.node
    slot.fill(_Graft(scene.program, donor.program).part(new, slot.method))
    what = f"replacing `{text(old)}` by `{text(new)}` from {donor.name} in `{slot.method}`"
    return Change(what, "join the strengths of both rules", donor.name)


def take_statement(scene: Scene) -> Change | None:
    """One statement from the same method of another program, put first or in the place of one."""
    options = []
    for donor in scene.donors:
        for name, method in donor.program.rules.items():
            own = scene.program.rules.get(name)
            for statement in method.body if own else []:
                closed = _is_closed(statement, donor.program, name) and not isinstance(statement, ast.Return)
                if own and closed and ast.dump(statement) not in {ast.dump(s) for s in own.body}:
                    options.append((donor, own, statement))
    choice = scene.pick(options)
    if choice is None:
        return None
    donor, own, statement = choice
    new = _Graft(scene.program, donor.program).part(statement, own.name)
    writes = assigned_attributes(statement)
    alike = [s for s in own.body if writes and assigned_attributes(s) == writes]
    if alike:
        own.body[own.body.index(alike[0])] = new
    else:
        own.body.insert(0, new)
    verb = f"replacing `{text(alike[0])}` by" if alike else "adding"
    return Change(
        f"{verb} `{text(statement)}` from {donor.name} in `{own.name}`",
        "join the strengths of both rules",
        donor.name,
    )


def borrow(scene: Scene) -> Change | None:
    """Apply what made another program better than its parent: a three-way merge of statements."""
    return _apply_improvement(scene, scene.pick([x for x in scene.donors if x.parent is not None]))


def recollect(scene: Scene) -> Change | None:
    """Take up what an earlier session found, the further ahead the likelier: its last improvement, or all
    of the rule where that does not fit."""
    donors = [x for x in scene.donors if x.parent is not None and x.lead > 0]
    if not donors:
        return None
    donor = scene.random.choices(donors, [x.lead for x in donors])[0]
    merged = _apply_improvement(scene, donor) if scene.random.random() < 0.5 else None
    return merged or _take_up(scene, donor)


def _take_up(scene: Scene, donor: Donor) -> Change | None:
    """Every method of another rule in the place of ours, with what it needs."""
    graft = _Graft(scene.program, donor.program)
    own = scene.program.rules
    taken = [name for name, x in donor.program.rules.items() if name in own and not _same(x, own[name])]
    for name in taken:
        graft.method(name)
    if not taken:
        return None
    names = ", ".join(f"`{name}`" for name in taken)
    return Change(
        f"taking up {names} of {donor.name}", "go on from where an earlier session came", donor.name
    )


def _apply_improvement(scene: Scene, donor: Donor | None) -> Change | None:
    if donor is None or donor.parent is None:
        return None
    merged = []
    for name, method in donor.program.rules.items():
        before, own = donor.parent.rules.get(name), scene.program.rules.get(name)
        if before and own and not _same(method, before) and not _same(method, own):
            if _same(before, own):
                _Graft(scene.program, donor.program).method(name)
                merged.append(name)
            elif _merge(scene.program, donor, before, method, own):
                merged.append(name)
    merged += _merge_constants(scene.program, donor)
    if not merged:
        return None
    names = ", ".join(f"`{name}`" for name in merged)
    return Change(
        f"applying to {names} what made {donor.name} better than its parent",
        "bring the same gain here",
        donor.name,
    )


def _merge(
    program: Program, donor: Donor, before: ast.FunctionDef, after: ast.FunctionDef, own: ast.FunctionDef
) -> bool:
    """What the donor replaced or added is replaced or added here, if what it replaced still stands."""
    old, new = [ast.dump(s) for s in before.body], [ast.dump(s) for s in after.body]
    mine = [ast.dump(s) for s in own.body]
    graft = _Graft(program, donor.program)
    gone = [dump for dump in old if dump not in new]
    fresh = [s for s, dump in zip(after.body, new, strict=True) if dump not in old]
    if not fresh or len(fresh) > LONGEST_MERGE or any(dump not in mine for dump in gone):
        return False
    if any(not _is_closed(s, donor.program, own.name) for s in fresh) or len(gone) > len(fresh):
        return False
    body = [s for s, dump in zip(own.body, mine, strict=True) if dump not in gone]
    place = min([mine.index(dump) for dump in gone], default=0)
    body[place:place] = [graft.part(s, own.name) for s in fresh]
    own.body = body
    return True


def _merge_constants(program: Program, donor: Donor) -> list[str]:
    assert donor.parent is not None  # checked by the caller
    changed = []
    for name, node in donor.program.constants.items():
        before, own = donor.parent.constants.get(name), program.constants.get(name)
        if before and own and ast.dump(before.value) != ast.dump(node.value):
            if ast.dump(own.value) == ast.dump(before.value):
                own.value = copy.deepcopy(node.value)
                changed.append(name)
    return changed


class _Graft:
    """Copies parts of a donor with all they refer to: constants, states and what updates these."""

    def __init__(self, program: Program, donor: Program) -> None:
        self.program, self.donor = program, donor
        self.names: dict[str, str] = {}
        """Donor's attribute -> its name here, where they differ."""

    def method(self, name: str) -> None:
        own, new = self.program.methods[name], copy.deepcopy(self.donor.methods[name])
        self._supply(new, skip=name)
        own.args, own.body = new.args, [self.part(statement) for statement in new.body]

    def part(self, node: Node, method: str = "") -> Node:
        """A copy of a part of the donor's ``method``, fit to stand in the same method here."""
        self._supply(node)
        node = copy.deepcopy(node)
        if method:
            self._argue(node, self.program.methods[method], self.donor.methods[method])
        for inner in ast.walk(node):
            attribute = own_attribute(inner)
            if attribute in self.names and isinstance(inner, ast.Attribute):
                inner.attr = self.names[attribute]
        return node

    def _argue(self, node: ast.AST, own: ast.FunctionDef, theirs: ast.FunctionDef) -> None:
        """Arguments are renamed where positions agree, and asked for where they are missing."""
        mine, positions = arguments(own), arguments(theirs)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and inner.id in positions and inner.id not in mine:
                if len(mine) == len(positions):
                    inner.id = mine[positions.index(inner.id)]
                else:
                    own.args.args.append(ast.arg(inner.id))
                    mine = arguments(own)

    def _supply(self, node: ast.AST, skip: str = "") -> None:
        """Bring along the attributes of ``self`` that a part of the donor mentions."""
        for name in sorted(read_attributes(node) | assigned_attributes(node)):
            if name in self.donor.constants:
                self._constant(name)
            elif name in self.donor.initial and name not in self.program.initial:
                self._state(name, skip)
            elif name in self.donor.methods and name not in self.program.methods:
                helper = copy.deepcopy(self.donor.methods[name])
                self.program.rule.body.append(helper)
                self._supply(helper)

    def _constant(self, name: str) -> None:
        theirs, own = self.donor.constants[name], self.program.constants.get(name)
        if own is None:
            self.program.rule.body.insert(self._place(), copy.deepcopy(theirs))
        elif ast.dump(own.value) != ast.dump(theirs.value) and name not in self.names:
            fresh = self.program.add_constant(name, ast.literal_eval(theirs.value))
            self.names[name] = own_attribute(fresh) or name

    def _state(self, name: str, skip: str) -> None:
        """The constructor's line of a state, and the statements of other methods that update it."""
        line = copy.deepcopy(self.donor.initial[name])
        if "__init__" not in self.program.methods:
            self.program.rule.body.insert(self._place(), self._empty_constructor())
        self.program.methods["__init__"].body.append(line)
        self._supply(line.value)
        for method, node in self.donor.rules.items():
            if method != skip and method in self.program.rules:
                for statement in node.body:
                    if assigned_attributes(statement) == {name} and _is_closed(statement, self.donor, method):
                        self.program.rules[method].body.insert(0, self.part(statement, method))

    def _empty_constructor(self) -> ast.FunctionDef:
        """The donor's, without what it assigns."""
        bare = copy.deepcopy(self.donor.methods["__init__"])
        bare.body = []
        return bare

    def _place(self) -> int:
        return 1 if ast.get_docstring(self.program.rule) is not None else 0


def _same(first: ast.FunctionDef, second: ast.FunctionDef) -> bool:
    return [ast.dump(s) for s in first.body] == [ast.dump(s) for s in second.body]


def _is_closed(node: ast.AST, program: Program, method: str) -> bool:
    """Does a part of a method use no local variable of it? Then it can stand elsewhere."""
    inner = program.methods[method]
    stored = {n.id for n in ast.walk(inner) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    local = stored - set(arguments(inner))
    return not any(isinstance(n, ast.Name) and n.id in local for n in ast.walk(node))
