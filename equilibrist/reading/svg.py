"""Matplotlib's SVG made fit to stand in a page: no style of its own, so the page's policy and themes hold.

A strict content security policy forbids inline styles, and two charts in one page must not share ids.
Style properties become attributes; black, the colour of axes and text, becomes the page's own.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
INK = "#000000"
_FONT = re.compile(r"(?:^|\s)(?:(bold|\d00)\s+)?([\d.]+)px\b")


def inline(
    figure: Any, name: str, title: str, points: Mapping[str, Sequence[Mapping[str, str]]] | None = None
) -> str:
    """A figure as one ``<svg>`` element.

    Args:
        name: prefix of every id in it; also a class of the element, beside its width (``inches-4``).
        title: what a screen reader says in its place.
        points: attributes for the marks of a scatter, by the scatter's gid, in the order of its points.
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(text.getvalue())
    for element in [*root.findall(f"{{{SVG}}}metadata"), *root.findall(f"{{{SVG}}}defs")]:
        root.remove(element)  # metadata, and a style sheet of two lines that the page's own holds
    marks = dict(points or {})
    for element in root.iter():
        _restyle(element)
        _rename(element, name)
        if (rows := marks.pop(element.get("class", ""), None)) is not None:
            for mark, row in zip(_marks(element), rows, strict=False):
                mark.attrib.update(row)
    width = round(figure.get_size_inches()[0])
    root.attrib.update({"class": f"chart {name} inches-{width}", "role": "img", "aria-label": title})
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    return ET.tostring(root, encoding="unicode")


def _marks(group: ET.Element) -> list[ET.Element]:
    """The points of a scatter: references to one shape, or each a shape where they are few."""
    uses = list(group.iter(f"{{{SVG}}}use"))
    return uses or list(group.iter(f"{{{SVG}}}path"))


def _restyle(element: ET.Element) -> None:
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":
            found = _FONT.search(value)
            element.set("font-size", found[2] if found else "10")
            if found and found[1]:
                element.set("font-weight", found[1])
        elif key and "family" not in key:
            element.set(key, value)
    for key in ("fill", "stroke"):
        if element.get(key) == INK:
            element.set(key, "currentColor")
    if element.tag == f"{{{SVG}}}text" and "fill" not in element.attrib:
        element.set("fill", "currentColor")


def _rename(element: ET.Element, name: str) -> None:
    """Groups have classes for ids; what is referred to has ids of its own."""
    ident = element.attrib.pop("id", None)
    if ident and element.tag == f"{{{SVG}}}g":
        element.set("class", ident)
    elif ident:
        element.set("id", f"{name}-{ident}")
    for key in (f"{{{XLINK}}}href", "clip-path"):
        if value := element.get(key):
            element.set(key, value.replace("#", f"#{name}-"))
