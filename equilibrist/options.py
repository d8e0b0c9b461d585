"""Options that every command shares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from equilibrist.home import default_home

HOME = default_home()
Home = Annotated[Path, typer.Option("--home", help="Sessions, memory and caches (EQUILIBRIST_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="For scripts: JSON on standard output.")]
SessionName = Annotated[str, typer.Argument(help="A session's id, the start of it, or 'last'.")]


def emit(value: Any) -> None:
    """JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
