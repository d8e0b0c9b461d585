"""Outcomes of the sandbox kept by content, so that a baseline is run once per engine and machine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import problems.games
from equilibrist.config import versions
from memory.files import write_atomically
from problems.problem import Problem
from tools.evaluation import Recorded


class OutcomeCache:
    """Answers for an ``Evaluator`` under HOME/cache/outcomes.

    A key stands for program, game, settings and repeat (the evaluator's part), and for the tier of the
    sandbox, the sources of the referee, the rule and the games, and the versions of all that computes.
    Only outcomes that are ``ok`` are kept: what failed may have failed for want of time.
    """

    def __init__(self, home: Path, problem: Problem, tier: str) -> None:
        self._folder = home / "cache" / "outcomes"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._content = f"{tier} {_engine(problem)}"

    def recorded(self, kind: str, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        name = hashlib.sha256(f"{self._content} {kind} {key}".encode()).hexdigest()[:32]
        path = self._folder / f"{name}.json"
        try:
            kept: dict[str, Any] = json.loads(path.read_bytes())
            return kept
        except (OSError, ValueError):  # never run, or damaged: run it
            pass
        made = compute()
        if made["outcome"]["status"] == "ok":
            write_atomically(path, json.dumps(made).encode())
        return made

    def behind(self, recorded: Recorded) -> Recorded:
        """``recorded``, asking this cache before it computes what it does not have."""
        return lambda kind, key, compute: recorded(kind, key, lambda: self.recorded(kind, key, compute))


def _engine(problem: Problem) -> str:
    """Hash of the sources and versions on which outcomes depend, baselines and walls aside."""
    spec = importlib.util.find_spec(problem.referee)
    assert spec is not None
    assert spec.origin is not None
    folders = {Path(spec.origin).parent, *map(Path, problems.games.__path__)}
    content = [json.dumps(versions(), sort_keys=True)]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        if path.parent.name == "baselines":
            continue
        if path.name not in ("__init__.py", "check.py", "score.py") or path.parent.name == "games":
            content += [path.name, path.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()
