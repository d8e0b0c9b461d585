"""Figures and texts made fit for a terminal. Text of programs, models and lessons is hostile until `safe`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

STATUS_STYLE = {
    "ok": "green",
    "error": "red",
    "timeout": "yellow",
    "out_of_memory": "yellow",
    "invalid": "magenta",
    "rejected": "dim",
}
BLOCKS = "▁▂▃▄▅▆▇█"
UNPRINTABLE = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


def safe(text: str) -> str:
    """``text`` without control characters, ANSI escapes and marks that turn the direction of reading; halves
    of surrogate pairs are question marks."""
    return UNPRINTABLE.sub("", text).encode("utf-8", "replace").decode()


def figure(score: float | None) -> str:
    """A score in seven columns."""
    return f"{score:7.4f}" if score is not None and math.isfinite(score) else "      -"


def span(seconds: float) -> str:
    """A duration for people: ``8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """``values`` as one line of block characters, thinned to ``width``; non-finite values are left blank."""
    if len(values) > width:
        step = len(values) / width
        values = [values[int(i * step)] for i in range(width - 1)] + [values[-1]]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((v - low) * scale)] if math.isfinite(v) else " " for v in values)


def log10(value: float) -> float:
    """Of a value that may be zero, or negative by rounding: nothing below 1e-16."""
    return math.log10(max(value, 1e-16))


def curve_of(series: Mapping[str, Sequence[float]]) -> tuple[str, str, str]:
    """What a game's main series is called, its last value, and its course: the normalised return where that
    is what counts, with exploitability told beside it; else exploitability on a logarithmic scale."""
    exploitability = series.get("exploitability")
    if returns := series.get("normalised"):
        beside = f", exploitability {exploitability[-1]:.4g}" if exploitability else ""
        return "normalised", f"{returns[-1]:.4g}{beside}", sparkline(returns)
    if exploitability:
        return "exploitability", f"{exploitability[-1]:.4g}", sparkline(list(map(log10, exploitability)))
    return "", "-", ""
