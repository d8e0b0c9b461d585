"""Faults that a program's source shows before it runs: early advice, the wall is the sandbox."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from problems.syntax import reading

MAX_CHARACTERS = 20_000
MODULES = ("torch", "math")
CALLS = ("open", "exec", "eval", "compile", "input", "breakpoint", "globals", "vars", "getattr", "setattr")
TORCH = (
    "load",
    "save",
    "hub",
    "jit",
    "compile",
    "distributed",
    "multiprocessing",
    "ops",
    "classes",
    "package",
)
"""Parts of torch that reach files, other processes or compilers."""


def faults(source: str, methods: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Static faults, each a sentence for the author; empty when there are none.

    Args:
        methods: what ``class Rule`` must have: method -> parameters it may name, in any order; of
            ``__init__``, which comes with one, exactly this.
    """
    if len(source) > MAX_CHARACTERS:
        return [f"The program has {len(source)} characters; at most {MAX_CHARACTERS} are allowed."]
    rule, found = _read(source)
    return [*(_signatures(rule, methods) if rule else ()), *found]


@lru_cache(maxsize=64)
def _read(source: str) -> tuple[ast.ClassDef | None, tuple[str, ...]]:
    """``class Rule``, if there is one, and the faults that any problem finds. A program is checked when it is
    handed in, before its smoke run and before its evaluation."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = reading(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return None, (f"The program is not valid Python: {error}.",)
    assert isinstance(nodes[0], ast.Module)
    rules = [node for node in nodes[0].body if isinstance(node, ast.ClassDef) and node.name == "Rule"]
    if len(rules) != 1:
        return None, ("The program must define exactly one `class Rule` at its top level.",)
    return rules[0], tuple(dict.fromkeys(_reaches(nodes)))


def _signatures(rule: ast.ClassDef, methods: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    found = {node.name: node for node in rule.body if isinstance(node, ast.FunctionDef)}
    for name, allowed in methods.items():
        if name not in found:
            if not rule.bases:
                yield f"`Rule` has no method `{name}`."
            continue
        arguments = found[name].args
        given = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)][1:]
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            yield f"`Rule.{name}` may only have plain parameters (no *, no **)."
        elif name == "__init__" and len(given) != 1:
            yield f"`Rule.__init__` must take exactly (self, {allowed[0]})."
        elif name != "__init__" and (unknown := [argument for argument in given if argument not in allowed]):
            may = ", ".join(allowed) or "nothing"
            yield f"`Rule.{name}` asks for `{unknown[0]}`; besides self it may ask for {may}."


def _reaches(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Imports, calls and names that a learning rule has no use for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (_module(alias.name) for alias in node.names if not _allowed(alias.name))
        elif isinstance(node, ast.ImportFrom):
            if node.level or not _allowed(node.module or ""):
                yield _module(node.module or ".")
        elif isinstance(node, ast.Name) and (node.id in CALLS or _private(node.id)):
            yield f"`{node.id}` (line {node.lineno}) is not available to a rule."
        elif isinstance(node, ast.Attribute) and _private(node.attr):
            yield f"`.{node.attr}` (line {node.lineno}) reaches into Python itself; a rule has no use for it."
        elif (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch"
        ):
            if node.attr in TORCH:
                yield f"`torch.{node.attr}` (line {node.lineno}) is not available to a rule."


def _module(name: str) -> str:
    return f"The import of `{name}` is not allowed; only {' and '.join(MODULES)} are."


def _allowed(module: str) -> bool:
    parts = module.split(".")
    return parts[0] in MODULES and not set(parts) & set(TORCH)


def _private(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in ("__init__", "__name__", "__call__")
