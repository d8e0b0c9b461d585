"""Texts of programs, models and lessons as HTML. All of them are hostile.

Templates escape by themselves; what here returns ``Markup`` has escaped every piece that it was given.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from equilibrist.render import safe

LINE = 2_000
"""Characters of a line that are shown."""
TEXT = 60_000
"""Characters of a text that are shown."""
COLOURED = 60_000
"""Characters from which a program is shown without colours."""
CONTEXT = 3
_JSON = re.compile(r"\s*[\[{]")


def finish(value: Any) -> Any:
    """What every value passes on its way into a page; ``None`` is left blank."""
    if value is None:
        return ""
    return short(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def short(text: str, limit: int = TEXT) -> str:
    """``text`` within bounds: long lines and long texts are cut, and say so."""
    text = safe(text[: 4 * limit])
    lines = [
        line if len(line) <= LINE else f"{line[:LINE]} … [{len(line) - LINE:,} more characters]"
        for line in text[:limit].split("\n")
    ]
    rest = f"\n… [{len(text) - limit:,} more characters or more]" if len(text) > limit else ""
    return "\n".join(lines) + rest


def pretty(text: str) -> str:
    """JSON with indents, anything else as it is."""
    if _JSON.match(text) and len(text) <= TEXT:
        try:
            return json.dumps(json.loads(text), indent=1, ensure_ascii=False).replace("\\n", "\n  ")
        except (ValueError, RecursionError):
            pass
    return text


def coloured(source: str) -> list[Markup]:
    """Lines of Python, coloured by classes."""
    source = short(source)
    if len(source) > COLOURED:
        return [escape(line) for line in source.split("\n")]
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    lexer = PythonLexer(stripnl=False, ensurenl=False)
    return [Markup(line) for line in highlight(source, lexer, HtmlFormatter(nowrap=True)).split("\n")]


def code(source: str) -> Markup:
    """A whole program."""
    return Markup("\n").join(coloured(source))


@dataclass(frozen=True)
class Line:
    """One line of a difference."""

    kind: str
    """``same``, ``gone``, ``new`` or ``skip``."""
    before: int | None
    after: int | None
    html: Markup


def difference(before: str, after: str) -> list[Line]:
    """Two programs line by line, with some lines of context; what lies between is counted."""
    old, new = short(before).split("\n"), short(after).split("\n")
    old_html, new_html = coloured(before), coloured(after)
    if len(old_html) != len(old) or len(new_html) != len(new):
        old_html, new_html = [escape(x) for x in old], [escape(x) for x in new]
    lines: list[Line] = []
    end = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        if group[0][1] > end:
            lines.append(Line("skip", None, None, escape(f"{group[0][1] - end} equal lines")))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                pairs = zip(range(i1, i2), range(j1, j2), strict=True)
                lines += [Line("same", i + 1, j + 1, new_html[j]) for i, j in pairs]
            else:
                lines += [Line("gone", i + 1, None, old_html[i]) for i in range(i1, i2)]
                lines += [Line("new", None, j + 1, new_html[j]) for j in range(j1, j2)]
        end = group[-1][2]
    return lines
