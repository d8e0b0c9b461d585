"""A changed tree as readable source: untouched statements keep their comments, the docstring stays true."""

from __future__ import annotations

import ast
import copy
import re
import textwrap

from agents.genetic.program import Program
from problems.syntax import parse

WIDTH = 100
ANCESTRY = re.compile(r"^Evolved from (.+?)\. ")
CLAUSE = 90
"""Characters after which one statement is too long to be quoted in the docstring."""


def render(program: Program, ancestors: tuple[str, ...] = ()) -> str:
    """Source of a program; its docstring names the ancestors and says what each method does now."""
    ast.fix_missing_locations(program.tree)
    known = _statement_texts(program.source)
    prose = _docstring(program, ancestors)
    at_top = ast.get_docstring(program.tree) is not None
    body = program.tree.body[1:] if at_top else program.tree.body
    parts = []
    for node in body:
        inner = "" if at_top else prose
        parts.append(_class(program.rule, known, inner) if node is program.rule else _block(node, "", known))
    head = prose + "\n\n" if at_top else ""
    return head + "\n\n\n".join(_joined_imports(body, parts)) + "\n"


def ancestors_of(program: Program) -> tuple[str, ...]:
    """Names of the rules that a program stems from, as its docstring has them."""
    docstring = ast.get_docstring(program.tree) or ast.get_docstring(program.rule) or ""
    docstring = " ".join(docstring.split())
    evolved = ANCESTRY.match(docstring)
    if evolved:
        return tuple(re.split(r", | and ", evolved.group(1)))
    name = re.split(r"[:.(,]| or ", docstring)[0].strip()
    return (name,) if 0 < len(name) <= 40 else ()


def describe(program: Program) -> str:
    """What the methods do, from their statements: always true of the source, whatever made it."""
    values = {name: ast.unparse(node.value) for name, node in program.constants.items()}
    clauses = []
    for name, method in program.rules.items():
        parts = [part for statement in method.body if (part := _clause(statement, values))]
        if parts:
            clauses.append(f"`{name}` {', '.join(parts)}")
    return "; ".join(clauses) + "." if clauses else ""


def _clause(statement: ast.stmt, values: dict[str, str]) -> str:
    def short(node: ast.AST) -> str:
        plain = re.sub(
            r"self\.([A-Z_0-9]+)\b", lambda found: values.get(found[1], found[1]), ast.unparse(node)
        )
        return re.sub(r"\b(self|torch|infosets)\.", "", plain).replace("infosets.", "")

    if isinstance(statement, ast.Return) and statement.value is not None:
        words = f"returns {short(statement.value)}"
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        words = f"adds {short(statement.value)} to {short(statement.target)}"
    elif isinstance(statement, ast.Assign):
        words = f"sets {short(statement.targets[0])} to {short(statement.value)}"
    elif isinstance(statement, ast.If) and isinstance(statement.body[0], ast.Return):
        words = f"does nothing if {short(statement.test)}"
    else:
        return ""
    return words if len(words) <= CLAUSE else words[: CLAUSE - 1].rsplit(" ", 1)[0] + " …"


def _class(rule: ast.ClassDef, known: dict[tuple[str, str], str], prose: str) -> str:
    bases = ", ".join(ast.unparse(base) for base in rule.bases)
    head = f"class {rule.name}{f'({bases})' if bases else ''}:\n"
    head += textwrap.indent(prose, "    ") + "\n\n" if prose else ""
    members = rule.body[1:] if ast.get_docstring(rule) is not None else rule.body
    constants = [_block(node, "", known) for node in members if not isinstance(node, ast.FunctionDef)]
    methods = [_method(node, known) for node in members if isinstance(node, ast.FunctionDef)]
    blocks = (["\n".join(constants)] if constants else []) + methods
    return head + "\n\n".join(textwrap.indent(block, "    ") for block in blocks)


def _docstring(program: Program, ancestors: tuple[str, ...]) -> str:
    names = ", ".join(ancestors[:-1]) + " and " + ancestors[-1] if len(ancestors) > 1 else "".join(ancestors)
    words = (f"Evolved from {names}. " if names else "") + describe(program)
    wrapped = textwrap.wrap(words.replace("\\", "").replace('"""', "'"), WIDTH)
    return f'"""{wrapped[0]}"""' if len(wrapped) == 1 else '"""' + "\n".join(wrapped) + '\n"""'


def _method(method: ast.FunctionDef, known: dict[tuple[str, str], str]) -> str:
    body = "\n".join(_block(statement, method.name, known) for statement in method.body)
    bare = copy.copy(method)
    bare.body = [ast.Pass()]
    head = ast.unparse(bare).rsplit("\n", 1)[0]
    return head + "\n" + textwrap.indent(body, "    ")


def _block(node: ast.stmt, method: str, known: dict[tuple[str, str], str]) -> str:
    return known.get((method, ast.dump(node))) or ast.unparse(node)


def _statement_texts(source: str) -> dict[tuple[str, str], str]:
    """(method, dumped statement) to its text with comments, for everything that may be printed as it was."""
    tree, lines = parse(source), source.splitlines()
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            method = node.name if isinstance(node, ast.FunctionDef) else ""
            for statement in node.body:
                known[method, ast.dump(statement)] = _text(statement, lines)
    return known


def _text(statement: ast.stmt, lines: list[str]) -> str:
    """The lines of a statement, trailing comment included, and the comment lines directly above."""
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    while first > 0 and lines[first - 1].strip().startswith("#"):
        first -= 1
    return textwrap.dedent("\n".join(lines[first:last]))


def _joined_imports(body: list[ast.stmt], parts: list[str]) -> list[str]:
    """Imports and module constants close together; classes and functions two lines apart."""
    joined: list[str] = []
    for index, (node, part) in enumerate(zip(body, parts, strict=True)):
        tight = index and not isinstance(node, ast.ClassDef | ast.FunctionDef)
        if tight and not isinstance(body[index - 1], ast.ClassDef | ast.FunctionDef):
            joined[-1] += "\n" + part
        else:
            joined.append(part)
    return joined
