"""A program -> one file for another framework: a template, with the program in the place of its rule."""

from __future__ import annotations

import ast
from pathlib import Path

from problems.syntax import parse

FROM, RULE, MARK = "# --- exported from here ---\n", "# --- the rule ---\n", "\n# --- "


def written(template: Path, parts: tuple[Path, ...], source: str, title: str) -> str:
    """The file's text. ``title`` is its docstring.

    Args:
        template: a Python file with three marks: where the export begins, where the rule does, and where what
            follows the rule does.
        parts: further files with the first of these marks; their text goes between the rule and that.

    Raises:
        ValueError: the program uses one of the template's own names.
    """
    tree = parse(source)
    imports, body = _split(source, tree)
    head, _, rest = template.read_text(encoding="utf-8").partition(FROM)[2].partition(RULE)
    after = rest[rest.index(MARK) + 1 :]
    for part in parts:
        text = part.read_text(encoding="utf-8").partition(FROM)[2]
        lines, text = _split(text, parse(text))
        head = "".join(f"{line}\n" for line in lines if line not in head.splitlines()) + head
        after = f"{text}\n\n\n{after}"
    own = parse(head + after)
    clash = sorted(_defined(tree) & (_defined(own) | _imported(own)))
    if clash:
        raise ValueError(f"The program calls something {clash[0]}, which the exported file needs: rename it.")
    known = head.splitlines()
    head = "".join(f"{line}\n" for line in imports if line not in known) + head
    quoted = title.replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{quoted}\n"""\n\n{head}{RULE}\n\n{body.strip()}\n\n\n{after}'


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
    stores = (ast.Assign, ast.AnnAssign)
    stored = (node for top in tree.body if isinstance(top, stores) for node in ast.walk(top))
    return named | {n.id for n in stored if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _imported(tree: ast.Module) -> set[str]:
    nodes = (node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    return {(name.asname or name.name).partition(".")[0] for node in nodes for name in node.names}
