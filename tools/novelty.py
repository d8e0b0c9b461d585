"""When are two programs the same? Syntax trees compared apart from names, constants and prose."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from threading import Lock
from zlib import crc32

import numpy as np

from memory.archive import Archive, Entry
from problems.syntax import parse

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
        tree = _without_prose(parse(source))
        identity = ast.dump(_Renamer(_own_names(tree)).visit(tree))
        structure = ast.dump(_Unnumbered().visit(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    words = re.findall(r"\w+", structure)
    pieces = zip(*(words[offset:] for offset in range(SHINGLE)), strict=False)
    return Fingerprint(
        identity=sha256(identity.encode()).digest(),
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
    bits in common ranks candidates, whose likeness is then computed exactly.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._twins: dict[str | bytes, str] = {}
        self._bits = np.zeros((BUCKETS, 256), np.bool_)
        """[buckets, programs], for a program's pieces are rows that lie together."""
        self._sizes = np.zeros(256, np.int32)
        self._guard = Lock()

    def grow(self, archive: Archive) -> Kin:
        """Take in what is new in the archive."""
        with self._guard:
            for entry in islice(archive.entries.values(), len(self._names), None):
                self._add(entry)
        return self

    def twin(self, source: str) -> str | None:
        """Id of the first program that is the same but for names, layout and comments."""
        print_ = fingerprint(source)
        return self._twins.get(source if print_ is None else print_.identity)

    def near(self, source: str, count: int) -> list[str]:
        """Ids of the programs that share most with this one, in the order in which they came."""
        rows = _buckets(fingerprint(source))
        with self._guard:
            known = len(self._names)
            common = self._bits[rows, :known].sum(axis=0, dtype=np.int32)
            likeness = common / np.maximum(self._sizes[:known] + len(rows) - common, 1)
            best = np.argsort(-likeness, kind="stable")[:count]
            return [self._names[row] for row in sorted(best)]

    def _add(self, entry: Entry) -> None:
        row, print_ = len(self._names), fingerprint(entry.source)
        if row == len(self._sizes):
            self._bits = np.concatenate([self._bits, np.zeros_like(self._bits)], axis=1)
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        pieces = _buckets(print_)
        self._bits[pieces, row] = True
        self._sizes[row] = len(pieces)
        self._twins.setdefault(entry.source if print_ is None else print_.identity, entry.program_id)
        self._names.append(entry.program_id)


def kin(archive: Archive) -> Kin:
    """The index of this archive's programs."""
    found: Kin = archive.shared.setdefault("kin", Kin())
    return found.grow(archive)


def _buckets(print_: Fingerprint | None) -> np.ndarray:
    return np.unique(print_.shingles % BUCKETS).astype(np.intp) if print_ else np.zeros(0, np.intp)


def _without_prose(tree: ast.Module) -> ast.Module:
    """Drop expressions that are only a constant: docstrings and stray strings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _own_names(tree: ast.Module) -> set[str]:
    """Names the program gives itself: variables, arguments, attributes of ``self``, functions it calls.

    A function that nothing in the program mentions is part of the problem's interface and keeps its name.
    """
    bound: set[str] = set()
    functions: set[str] = set()
    mentioned: set[str] = set()
    for node in ast.walk(tree):
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


class _Renamer(ast.NodeTransformer):
    """Numbers the program's own names in order of appearance."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"n{len(self.numbers)}") if name in self.own else name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._number(node.name)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self._number(node.arg), None
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._number(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if _is_own(node):
            node.attr = self._number(node.attr)
        return self.generic_visit(node)


class _Unnumbered(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return ast.Constant(value=0) if is_number else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """A constant's sign belongs to the constant."""
        inner = self.visit(node.operand)
        is_sign = isinstance(node.op, ast.USub | ast.UAdd) and isinstance(inner, ast.Constant)
        return inner if is_sign else ast.UnaryOp(op=node.op, operand=inner)
