"""A program -> one file with OpenSpiel's solver interface."""

from __future__ import annotations

import ast
from pathlib import Path

from problems.syntax import parse

FROM, RULE, SOLVER = "# --- exported from here ---\n", "# --- the rule ---\n", "# --- the solver ---\n"
TAKEN = (
    "Infosets",
    "Solver",
    "SNAP",
    "main",
    "np",
    "pyspiel",
    "policy",
    "exploitability",
    "inspect",
    "argparse",
)
"""Names of the file that a program must not use at its top level."""


def export(source: str, title: str) -> str:
    """The file's text. ``title`` is its docstring.

    Raises:
        ValueError: the program uses one of the file's own names.
    """
    tree = parse(source)
    imports, body = _split(source, tree)
    clash = sorted(_defined(tree) & set(TAKEN))
    if clash:
        raise ValueError(f"The program calls something {clash[0]}, which the exported file needs: rename it.")
    text = Path(__file__).with_name("solver.py").read_text(encoding="utf-8")
    head, _, rest = text.partition(FROM)[2].partition(RULE)
    solver = rest.partition(SOLVER)[2]
    known = head.splitlines()
    head = "".join(f"{line}\n" for line in imports if line not in known) + head
    quoted = title.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted}\n"""\n\n{head}{RULE}\n\n{body.strip()}\n\n\n{SOLVER}{solver}'


def _split(source: str, tree: ast.Module) -> tuple[list[str], str]:
    """The top-level imports, one each, and the text without them and without the module's docstring (which
    becomes a comment)."""
    lines = source.splitlines()
    gone: set[int] = set()
    imports = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(ast.unparse(node))
            gone |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    comments = []
    if (docstring := ast.get_docstring(tree)) is not None:
        first = tree.body[0]
        gone |= set(range(first.lineno - 1, first.end_lineno or first.lineno))
        comments = [f"# {line}".rstrip() for line in docstring.splitlines()]
    kept = [line for number, line in enumerate(lines) if number not in gone]
    while kept and not kept[0].strip():
        del kept[0]
    return imports, "\n".join([*comments, *kept])


def _defined(tree: ast.Module) -> set[str]:
    named = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    stored = (node for top in tree.body if isinstance(top, ast.Assign) for node in ast.walk(top))
    return named | {node.id for node in stored if isinstance(node, ast.Name)}
