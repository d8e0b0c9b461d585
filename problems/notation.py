"""A program's methods as formulas, in LaTeX and in Unicode; a problem adds the words for its quantities."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from problems.syntax import parse

GREEK = {
    "ALPHA": ("\\alpha", "α"),
    "BETA": ("\\beta", "β"),
    "GAMMA": ("\\gamma", "γ"),
    "DELTA": ("\\delta", "δ"),
    "LAMBDA": ("\\lambda", "λ"),
    "MU": ("\\mu", "μ"),
    "TAU": ("\\tau", "τ"),
    "ETA": ("\\eta", "η"),
}
OPERATORS: dict[type[ast.operator], tuple[str, str, int]] = {
    ast.Add: ("+", "+", 1),
    ast.Sub: ("-", "−", 1),
    ast.Mult: ("\\,", "·", 2),
    ast.Div: ("/", "/", 2),
    ast.Mod: ("\\bmod", "mod", 2),
    ast.FloorDiv: ("//", "//", 2),
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<"),
    ast.LtE: ("\\le", "≤"),
    ast.Gt: (">", ">"),
    ast.GtE: ("\\ge", "≥"),
    ast.Eq: ("=", "="),
    ast.NotEq: ("\\ne", "≠"),
}
AUGMENTED: dict[str, type[ast.operator]] = {
    "add_": ast.Add,
    "sub_": ast.Sub,
    "mul_": ast.Mult,
    "div_": ast.Div,
}
FUNCTIONS = {"abs": "|{}|", "exp": "exp({})", "log": "log({})", "tanh": "tanh({})", "sign": "sign({})"}
TOP, SUM, PRODUCT, POWER, ATOM = 0, 1, 2, 3, 4


class Notation(NamedTuple):
    """The same formulas twice: lines of a LaTeX ``aligned`` block, and lines of Unicode text."""

    latex: str
    unicode: str


class Term(NamedTuple):
    """A formula in both scripts, and how tightly it binds."""

    latex: str
    plain: str
    binding: int = ATOM


@dataclass(frozen=True)
class Words:
    """A problem's symbols."""

    names: Mapping[str, tuple[str, str]]
    """Variable or attribute of ``self`` -> (LaTeX, Unicode)."""
    helpers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Helper -> templates in which ``{}`` stands for its argument."""
    headings: Mapping[str, str] = field(default_factory=dict)
    """Method -> what it does."""


def notation(source: str, words: Words) -> Notation:
    """Formulas of the methods of the largest class, and the values of its constants.

    Raises:
        SyntaxError, ValueError: the source is no program.
    """
    tree = parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if not classes:
        raise ValueError("The program defines no class.")
    rule = max(classes, key=lambda node: len(list(ast.walk(node))))
    writer = _Writer(words)
    latex, plain = [], []
    for node in rule.body:
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            heading = words.headings.get(node.name) or _call(node)
            latex.append(f"&\\textbf{{{_escaped(heading)}}}")
            plain.append(heading)
            for term in writer.block(node.body):
                latex.append(f"&\\quad {term.latex}")
                plain.append(f"    {term.plain}")
    values = [node for node in rule.body if isinstance(node, ast.Assign)]
    if values:
        shown = [(writer.name(ast.unparse(v.targets[0])), ast.unparse(v.value)) for v in values]
        latex.append("&" + ",\\quad ".join(f"{name.latex} = {value}" for name, value in shown))
        plain.append("with " + ", ".join(f"{name.plain} = {value}" for name, value in shown))
    body = " \\\\\n".join(latex)
    return Notation(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}", "\n".join(plain))


def _call(node: ast.FunctionDef) -> str:
    arguments = [argument.arg for argument in node.args.args if argument.arg != "self"]
    return f"{node.name.replace('_', ' ')}({', '.join(arguments)})"


def _escaped(text: str) -> str:
    return text.replace("_", "\\_")


class _Writer:
    def __init__(self, words: Words) -> None:
        self.words = words

    def name(self, name: str) -> Term:
        if name in self.words.names:
            return Term(*self.words.names[name])
        head, _, tail = name.partition("_")
        if head in GREEK:
            latex, plain = GREEK[head]
            below = tail.lower().replace("_", " ")
            return Term(f"{latex}_{{\\text{{{below}}}}}", f"{plain}[{below}]") if tail else Term(latex, plain)
        told = name.replace("_", " ").strip() or "k"
        return Term(f"\\text{{{told}}}" if len(told) > 1 else told, told.replace(" ", "‿"))

    def block(self, body: list[ast.stmt]) -> list[Term]:
        lines: list[Term] = []
        for statement in body:
            lines += self.statement(statement)
        return lines

    def statement(self, node: ast.stmt) -> list[Term]:
        if isinstance(node, ast.Break):
            return [Term("\\text{stop}", "stop")]
        if isinstance(node, ast.Assign):
            if ast.unparse(node.value) == f"self.{ast.unparse(node.targets[0])}":
                return []  # a shorter name for a helper
            target, value = self.term(node.targets[0]), self.term(node.value)
            return [Term(f"{target.latex} \\leftarrow {value.latex}", f"{target.plain} ← {value.plain}")]
        if isinstance(node, ast.AugAssign):
            both = self.binary(ast.BinOp(node.target, node.op, node.value))
            target = self.term(node.target)
            return [Term(f"{target.latex} \\leftarrow {both.latex}", f"{target.plain} ← {both.plain}")]
        if isinstance(node, ast.Return):
            value = self.term(node.value) if node.value else Term("\\text{nothing}", "nothing")
            return [Term(f"\\text{{return }} {value.latex}", f"return {value.plain}")]
        if isinstance(node, ast.If):
            test = self.term(node.test)
            lines = [Term(f"\\text{{if }} {test.latex}:", f"if {test.plain}:")]
            lines += _deeper(self.block(node.body))
            if node.orelse:
                lines += [Term("\\text{else:}", "else:"), *_deeper(self.block(node.orelse))]
            return lines
        if isinstance(node, ast.For):
            target, over = self.term(node.target), self.term(node.iter)
            head = Term(
                f"\\text{{for }} {target.latex} \\in {over.latex}:", f"for {target.plain} in {over.plain}:"
            )
            return [head, *_deeper(self.block(node.body))]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return [self.in_place(node.value)]
        return []

    def in_place(self, call: ast.Call) -> Term:
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in AUGMENTED and call.args:
            both = self.binary(ast.BinOp(function.value, AUGMENTED[function.attr](), _scaled(call)))
            target = self.term(function.value)
            return Term(f"{target.latex} \\leftarrow {both.latex}", f"{target.plain} ← {both.plain}")
        return self.term(call)

    def term(self, node: ast.expr) -> Term:
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = _bound(self.term(node.operand), PRODUCT)
            return Term(f"-{inner.latex}", f"−{inner.plain}", SUM)
        if isinstance(node, ast.Attribute):
            return self.name(node.attr)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Constant):
            return Term(f"{node.value!r}", f"{node.value!r}")
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.term(node.left), self.term(node.comparators[0])
            latex, plain = COMPARISONS.get(type(node.ops[0]), ("?", "?"))
            return Term(f"{left.latex} {latex} {right.latex}", f"{left.plain} {plain} {right.plain}", TOP)
        if isinstance(node, ast.IfExp):
            test, yes, no = self.term(node.test), self.term(node.body), self.term(node.orelse)
            return _cases(test, yes, no)
        if isinstance(node, ast.Call):
            return self.call(node)
        text = ast.unparse(node)
        return Term(f"\\texttt{{{_escaped(text)}}}", text)

    def binary(self, node: ast.BinOp) -> Term:
        if isinstance(node.op, ast.Pow):
            base, power = _bound(self.term(node.left), ATOM), self.term(node.right)
            shown = power.plain if power.binding >= ATOM and len(power.plain) < 4 else f"({power.plain})"
            return Term(f"{base.latex}^{{{power.latex}}}", f"{base.plain}^{shown}", POWER)
        latex, plain, binding = OPERATORS.get(type(node.op), ("?", "?", TOP))
        left, right = self.term(node.left), self.term(node.right)
        if isinstance(node.op, ast.Div):
            below = _bound(right, POWER)
            return Term(
                f"\\frac{{{left.latex}}}{{{right.latex}}}",
                f"{_bound(left, PRODUCT).plain} / {below.plain}",
                PRODUCT,
            )
        tight = isinstance(node.op, ast.Sub)
        left, right = _bound(left, binding), _bound(right, binding + tight)
        return Term(f"{left.latex} {latex} {right.latex}", f"{left.plain} {plain} {right.plain}", binding)

    def call(self, node: ast.Call) -> Term:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        found = self.torch(name, node) if name else None
        if found is not None:
            return found
        given = [self.term(argument) for argument in node.args]
        if name in self.words.helpers:
            latex, plain = self.words.helpers[name]
            one = given[0] if given else Term("", "")
            return Term(latex.replace("{}", one.latex), plain.replace("{}", one.plain))
        head = self.name(name)
        return Term(
            f"{head.latex}({', '.join(t.latex for t in given)})",
            f"{head.plain}({', '.join(t.plain for t in given)})",
        )

    def torch(self, name: str, node: ast.Call) -> Term | None:
        """Functions of PyTorch and methods of tensors."""
        method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
        own = [node.func.value] if method and isinstance(node.func, ast.Attribute) else []
        arguments = [*(n for n in own if not _is_self(n)), *node.args]
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if name in ("add", "sub", "mul", "div", *AUGMENTED) and len(arguments) == 2:
            kind = AUGMENTED[name if name.endswith("_") else f"{name}_"]
            return self.binary(ast.BinOp(arguments[0], kind(), _scaled(node)))
        if name == "clamp":
            return self.clamp(self.term(arguments[0]), named)
        if name == "where" and len(arguments) == 3:
            return _cases(*(self.term(argument) for argument in arguments))
        if name == "sqrt":
            inner = self.term(arguments[0])
            return Term(f"\\sqrt{{{inner.latex}}}", f"√({inner.plain})")
        if name == "sigmoid":
            inner = self.term(arguments[0])
            return Term(f"\\sigma({inner.latex})", f"sigmoid({inner.plain})")
        if name in FUNCTIONS and len(arguments) == 1:
            inner = self.term(arguments[0])
            latex = FUNCTIONS[name].replace("{}", inner.latex)
            latex = latex if name == "abs" else f"\\operatorname{{{name}}}({inner.latex})"
            return Term(latex, FUNCTIONS[name].replace("{}", inner.plain))
        if name in ("maximum", "minimum", "max", "min") and len(arguments) == 2:
            first, second = (self.term(argument) for argument in arguments)
            return Term(
                f"\\{name[:3]}({first.latex}, {second.latex})", f"{name[:3]}({first.plain}, {second.plain})"
            )
        if name in ("double", "clone", "float") and len(arguments) == 1:
            return self.term(arguments[0])
        return None

    def clamp(self, inner: Term, named: Mapping[str, ast.expr]) -> Term:
        low, high = named.get("min"), named.get("max")
        if low is not None and high is None and isinstance(low, ast.Constant) and low.value == 0:
            return Term(f"[{inner.latex}]^+", f"[{inner.plain}]⁺")
        for word, bound in (("max", low), ("min", high)):
            if bound is not None:
                limit = self.term(bound)
                inner = Term(
                    f"\\{word}({inner.latex}, {limit.latex})", f"{word}({inner.plain}, {limit.plain})"
                )
        return inner


def _bound(term: Term, binding: int) -> Term:
    if term.binding >= binding:
        return term
    return Term(f"({term.latex})", f"({term.plain})")


def _cases(test: Term, yes: Term, no: Term) -> Term:
    latex = f"\\begin{{cases}}{yes.latex} & {test.latex}\\\\ {no.latex} & \\text{{else}}\\end{{cases}}"
    return Term(latex, f"{{{yes.plain} if {test.plain} else {no.plain}}}")


def _deeper(lines: list[Term]) -> list[Term]:
    return [Term(f"\\quad {line.latex}", f"    {line.plain}") for line in lines]


def _scaled(call: ast.Call) -> ast.expr:
    """The last argument, times ``alpha`` if one is given."""
    factor = next((keyword.value for keyword in call.keywords if keyword.arg == "alpha"), None)
    return call.args[-1] if factor is None else ast.BinOp(factor, ast.Mult(), call.args[-1])


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "math")


def _is_self(node: ast.expr) -> bool:
    inner = node.value if isinstance(node, ast.Attribute) else node
    return (
        isinstance(inner, ast.Name)
        and inner.id == "self"
        and not (isinstance(node, ast.Attribute) and node.attr not in ("infosets", "game"))
    )
