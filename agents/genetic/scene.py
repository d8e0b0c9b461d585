"""What an operator is given, and what it says about the change that it made."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TypeVar

from agents.genetic.kinds import ENTRY, GROUP, TIME, Kinds
from agents.genetic.program import Number, Program, Slot, modules, own_attribute, read_attributes, slots, text

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """A change in words, for the hypothesis."""

    what: str
    """Gerund clause: what was done to which method."""
    why: str
    """Verb phrase: what the change is expected to do."""
    donor: str = ""
    """Name of the program whose material was used."""


@dataclass(frozen=True)
class Donor:
    """Another program to take material from."""

    name: str
    program: Program
    parent: Program | None = None
    """The program that the donor improved on, if both are known and it did."""
    lead: float = 0.0
    """For a program of an earlier session, of which a lesson told: its score less that of the program to be
    changed; 0 unless it is better."""


@dataclass
class Scene:
    """One program to be changed in place, chance, and other programs to take material from."""

    program: Program
    random: Random
    donors: Sequence[Donor] = ()

    @cached_property
    def kinds(self) -> Kinds:
        return Kinds(self.program)

    @cached_property
    def has_torch(self) -> bool:
        """Do the programs of this problem compute with PyTorch?"""
        return any(
            "torch" in modules(program) for program in (self.program, *(d.program for d in self.donors))
        )

    def pick(self, items: Sequence[T]) -> T | None:
        return self.random.choice(items) if items else None

    def free_slots(self) -> list[Slot]:
        return [slot for slot in slots(self.program) if slot.free]

    def kind(self, slot: Slot) -> str | None:
        return self.kinds.of(slot.node, slot.method)

    def array_slots(self) -> list[Slot]:
        return [slot for slot in self.free_slots() if self.kind(slot) in (ENTRY, GROUP)]

    def time_slots(self) -> list[Slot]:
        return [
            slot for slot in self.free_slots() if isinstance(slot.node, ast.Name) and self.kind(slot) == TIME
        ]

    def body(self, method: str) -> list[ast.stmt]:
        return self.program.methods[method].body

    def updates(self) -> list[tuple[str, str, ast.stmt]]:
        """(method, state, statement) of every statement that makes a state from its former value."""
        found = []
        for name, method in self.program.rules.items():
            for statement in method.body:
                state = updated_state(statement)
                if state is not None:
                    found.append((name, state, statement))
        return found

    def near(self, value: Number, spread: float = 0.5) -> float:
        """A value of the same size, to two digits."""
        return float(f"{value * self.random.lognormvariate(0, spread):.2g}")


def updated_state(statement: ast.stmt) -> str | None:
    """``s`` for ``self.s += …`` and for ``self.s = … self.s …``."""
    if isinstance(statement, ast.AugAssign):
        return own_attribute(statement.target)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        state = own_attribute(statement.targets[0])
        return state if state in read_attributes(statement.value) else None
    return None


def becomes(slot_method: str, old: ast.AST, new: ast.AST) -> str:
    return f"replacing `{text(old)}` by `{text(new)}` in `{slot_method}`"
