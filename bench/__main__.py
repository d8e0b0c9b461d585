"""Runs the sections and prints one report: machine, versions, peer, ratio, goal, met or not."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import batch, framework, gpu, iteration, learning, lessons, memory, psro, sandbox, training
from bench.measure import Row

SECTIONS = {
    "iteration": iteration.rows,
    "training": training.rows,
    "psro": psro.rows,
    "memory": memory.rows,
    "batch": batch.rows,
    "gpu": gpu.rows,
    "framework": framework.rows,
    "sandbox": sandbox.rows,
    "lessons": lessons.rows,
    "learning": learning.rows,
}
PACKAGES = ("torch", "numpy", "numba", "open_spiel", "LiteEFG", "mpe2", "vmas", "benchmarl", "torchrl")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench", description="How fast we are beside our peers, in one run."
    )
    parser.add_argument("--quick", action="store_true", help="about ten minutes: fewer games, shorter runs")
    parser.add_argument("--json", action="store_true", help="the report as JSON on standard output")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections alone")
    options = parser.parse_args()
    load, started = os.getloadavg()[0], time.monotonic()
    if load > 0.5:
        print(f"Load is {load:.1f}: elapsed times, and caches, are not ours alone.", file=sys.stderr)
    rows: list[Row] = []
    for name in options.only or SECTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for row in SECTIONS[name](options.quick):
            rows.append(row)
            print("  " + _line(row), file=sys.stderr, flush=True)
    about = {**_machine(), "load": load, "quick": options.quick, "seconds": round(time.monotonic() - started)}
    if options.json:
        shown = [{**dataclasses.asdict(row), "ratio": row.ratio, "met": row.met} for row in rows]
        print(json.dumps({**about, "rows": shown}, indent=2))
    else:
        _print(about, rows)


def _machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {"machine": f"{os.cpu_count()} x {model or platform.machine()}", "versions": versions}


def _print(about: dict[str, object], rows: list[Row]) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    table = Table(title="One thread; CPU time unless it says elapsed", title_justify="left")
    for column in ("", "what", "ours", "peer", "theirs", "ratio", "goal", "met", "note"):
        table.add_column(column, justify="right" if column in ("ours", "theirs", "ratio", "goal") else "left")
    for row in rows:
        met = {True: "yes", False: "[red]NO[/red]", None: ""}[row.met]
        ratio = f"{row.ratio:,.1f}x" if row.ratio is not None else ""
        figures = (_figure(row.ours, row.unit), row.peer, _figure(row.theirs, row.unit), ratio)
        table.add_row(row.section, row.what, *figures, _goal(row), met, row.note)
    console.print(table)
    print(f"{about['machine']}, load {about['load']:.1f}, {about['seconds']} s in all")
    print(", ".join(f"{name} {version}" for name, version in about["versions"].items()))  # type: ignore[attr-defined]


def _line(row: Row) -> str:
    """What a row says, for those who watch or break off."""
    beside = f", {row.peer} {_figure(row.theirs, row.unit)}" if row.peer else ""
    ratio = f", {row.ratio:,.0f}x" if row.ratio is not None else ""
    return f"{row.what}: {_figure(row.ours, row.unit)}{beside}{ratio} {row.note}".rstrip()


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit != "s":
        return f"{value:,.0f} {unit}" if unit == "MiB" else f"{value:.2f} {unit}"
    factor, name = (1.0, "s") if value >= 1.0 else (1e3, "ms") if value >= 1e-3 else (1e6, "us")
    return f"{value * factor:.3g} {name}" if value * factor < 1000 else f"{value * factor:,.0f} {name}"


def _goal(row: Row) -> str:
    if row.at_least is not None:
        return f">= {row.at_least:,.0f}x"
    if row.no_less is not None:
        return f">= {_figure(row.no_less, row.unit)}"
    return f"<= {_figure(row.at_most, row.unit)}" if row.at_most is not None else ""


if __name__ == "__main__":
    main()
