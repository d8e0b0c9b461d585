"""When are two programs the same? Syntax trees compared apart from names, constants and prose."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np

from memory.archive import Archive, Entry
from problems.syntax import reading

BUCKETS = 4096
SHINGLE = 4
"""Consecutive words of the dumped tree that are compared as one piece."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Hashes, for a session's thousands are kept in memory."""

    identity: bytes
    """Of the tree with the program's own names numbered: equal for programs that compute the same."""
    structure: bytes
    """The same with every number replaced by one mark: equal for programs that differ in constants only."""
    shingles: np.ndarray
    """Of the pieces of ``structure``: uint32, sorted, each once."""


@lru_cache(maxsize=4096)
def fingerprint(source: str) -> Fingerprint | None:
    """None when the source cannot be parsed, or nests too deeply to be walked."""
    try:
        nodes = reading(source)
        writer = _Writer(_own_names(nodes))
        writer.write(nodes[0])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    structure = "".join(writer.parts)
    words = re.findall(r"\w+", structure)
    pieces = set(zip(*(words[offset:] for offset in range(SHINGLE)), strict=False))
    return Fingerprint(
        identity=sha256("\0".join([structure, *writer.constants]).encode()).digest(),
        structure=sha256(structure.encode()).digest(),
        shingles=np.array(sorted({crc32(" ".join(piece).encode()) for piece in pieces}), np.uint32),
    )


def same_program(first: str, second: str) -> bool:
    """Equal but for names, comments, layout and docstrings."""
    one, other = fingerprint(first), fingerprint(second)
    return first == second if one is None or other is None else one.identity == other.identity


def same_structure(first: str, second: str) -> bool:
    """Equal but for names and numbers."""
    one, other = fingerprint(first), fingerprint(second)
    return first == second if one is None or other is None else one.structure == other.structure


def similarity(first: str, second: str) -> float:
    """Jaccard index of the pieces of both structures, from 0 (nothing shared) to 1."""
    one, other = fingerprint(first), fingerprint(second)
    if one is None or other is None:
        return float(first == second)
    common = len(np.intersect1d(one.shingles, other.shingles, assume_unique=True))
    union = len(one.shingles) + len(other.shingles) - common
    return common / union if union else 1.0


class Kin:
    """The programs of an archive by what identifies them: twins by hash, relatives by their pieces.

    It grows with the archive and is shared by all of a session's archives, so whoever asks leaves out what
    his own archive does not hold. A program is a row of ``BUCKETS`` bits, one per hashed piece; the number of
    bits in common ranks candidates, whose likeness is then computed exactly. Packed, ten thousand programs
    are five megabytes, and a search among five thousand takes under two milliseconds.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._twins: dict[str | bytes, str] = {}
        self._bits = np.zeros((256, BUCKETS // 64), np.uint64)
        """[programs, words of 64 buckets]"""
        self._sizes = np.zeros(256, np.int32)
        self._guard = Lock()

    def grow(self, archive: Archive) -> Kin:
        """Take in what is new in the archive."""
        with self._guard:
            for entry in archive.since(len(self._names)):
                self._add(entry)
        return self

    def twin(self, source: str) -> str | None:
        """Id of the first program that is the same but for names, layout and comments."""
        print_ = fingerprint(source)
        return self._twins.get(source if print_ is None else print_.identity)

    def near(self, source: str, count: int) -> list[str]:
        """Ids of the programs that share most with this one, in the order in which they came."""
        bits = _bits(fingerprint(source))
        size = int(np.bitwise_count(bits).sum())
        with self._guard:
            known = len(self._names)
            common = np.bitwise_count(self._bits[:known] & bits).sum(axis=1, dtype=np.int32)
            likeness = common / np.maximum(self._sizes[:known] + size - common, 1)
            best = np.argsort(-likeness, kind="stable")[:count]
            return [self._names[row] for row in sorted(best)]

    def _add(self, entry: Entry) -> None:
        row, print_ = len(self._names), fingerprint(entry.source)
        if row == len(self._sizes):
            self._bits = np.concatenate([self._bits, np.zeros_like(self._bits)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        self._bits[row] = bits = _bits(print_)
        self._sizes[row] = np.bitwise_count(bits).sum()
        self._twins.setdefault(entry.source if print_ is None else print_.identity, entry.program_id)
        self._names.append(entry.program_id)


def kin(archive: Archive) -> Kin:
    """The index of this archive's programs."""
    found: Kin = archive.shared.setdefault("kin", Kin())
    return found.grow(archive)


def _bits(print_: Fingerprint | None) -> np.ndarray:
    """[words of 64 buckets]"""
    filled = np.zeros(BUCKETS, np.bool_)
    if print_ is not None:
        filled[print_.shingles % BUCKETS] = True
    return np.packbits(filled).view(np.uint64)


def _own_names(nodes: Sequence[ast.AST]) -> set[str]:
    """Names the program gives itself: variables, arguments, attributes of ``self``, functions it calls.

    A function that nothing in the program mentions is part of the problem's interface and keeps its name.
    """
    bound: set[str] = set()
    functions: set[str] = set()
    mentioned: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            functions.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name):
            (mentioned if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Attribute) and _is_own(node):
            (mentioned if isinstance(node.ctx, ast.Load) else bound).add(node.attr)
    return bound | (functions & mentioned)


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_prose(node: ast.AST) -> bool:
    """An expression that is only a constant: a docstring or a stray string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


_NAMED = {ast.FunctionDef: "name", ast.arg: "arg", ast.Name: "id", ast.Attribute: "attr"}
"""Where a node holds a name that may be the program's own."""


class _Writer:
    """Writes a tree as ``ast.dump`` would, in one pass, in its normal form: prose and annotations of
    arguments left out, the program's own names numbered in order of appearance, every number 0, no sign
    before a constant. What that hides of constants is kept apart."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.numbers: dict[str, str] = {}
        self.parts: list[str] = []
        self.constants: list[str] = []
        """Signs and numbers, an entry per constant."""

    def write(self, node: ast.AST) -> None:
        kind = type(node)
        if kind is ast.Constant or kind is ast.UnaryOp:
            signs, inner = _unsigned(node)
            if isinstance(inner, ast.Constant):
                return self._constant(signs, inner)
        self.parts.append(f"{kind.__name__}(")
        named = self._named(node) if kind in _NAMED else {}
        before = ""
        for name, optional in _fields(kind):  # type: ignore[arg-type]  # a class is hashable
            value = named.get(name) or getattr(node, name, None)
            if value is None and optional:
                continue
            self.parts.append(f"{before}{name}=")
            before = ", "
            if isinstance(value, list):
                self._list(_without_prose(value) if name == "body" else value)
            elif isinstance(value, ast.AST):
                self.write(value)
            else:
                self.parts.append(repr(value))
        self.parts.append(")")

    def _list(self, values: Sequence[Any]) -> None:
        self.parts.append("[")
        for index, value in enumerate(values):
            if index:
                self.parts.append(", ")
            if isinstance(value, ast.AST):
                self.write(value)
            else:
                self.parts.append(repr(value))
        self.parts.append("]")

    def _constant(self, signs: str, node: ast.Constant) -> None:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        self.constants.append(signs + (repr(node.value) if is_number else ""))
        kind = f", kind={node.kind!r}" if node.kind and not is_number else ""
        self.parts.append("Constant(value=0)" if is_number else f"Constant(value={node.value!r}{kind})")

    def _named(self, node: ast.AST) -> dict[str, str]:
        """The field that holds a name of the program's own, and its number."""
        if isinstance(node, ast.Attribute) and not _is_own(node):
            return {}
        where = _NAMED[type(node)]
        name = getattr(node, where)
        return {where: self.numbers.setdefault(name, f"n{len(self.numbers)}")} if name in self.own else {}


@cache
def _fields(kind: type[ast.AST]) -> tuple[tuple[str, bool], ...]:
    """A kind of node's fields but for annotations of arguments, and whether a tree may lack them."""
    names = [name for name in kind._fields if kind is not ast.arg or name != "annotation"]
    return tuple((name, getattr(kind, name, ...) is None) for name in names)


def _unsigned(node: ast.AST) -> tuple[str, ast.AST]:
    """A constant's sign belongs to the constant: the signs before a node, and the node."""
    signs = ""
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        signs += "-" if isinstance(node.op, ast.USub) else "+"
        node = node.operand
    return signs, node


def _without_prose(body: Sequence[Any]) -> Sequence[Any]:
    return [statement for statement in body if not _is_prose(statement)] or [ast.Pass()]
