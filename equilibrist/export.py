"""A program as one file for another framework, checked by running that file there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from equilibrist.errors import Failed, Usage
from equilibrist.programs import Named
from problems.problem import Export
from sandbox.job import Job, Record, Sandbox

Series = dict[str, list[float]]
CHECK = """
import importlib.abc, json, sys, types
folder, path, outside, games, settings = json.load(sys.stdin)
outside = compile(open(outside).read(), outside, "exec")
source = compile(open(path).read(), path, "exec")
runner = {"__name__": "outside"}
exec(outside, runner)
games = runner["prepare"](games)
sys.path.insert(0, folder)
from sandbox.harden import Shield
sys.path.remove(folder)
shield = Shield(["seccomp", "landlock?"], None) if sys.platform == "linux" else None
for name in [name for name in sys.modules if name.split(".")[0] == "sandbox"]:
    del sys.modules[name]
class Ours(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("problems", "sandbox", "memory", "tools", "agents", "equilibrist", "numba"):
            raise ImportError(f"the exported file imports {name}")
sys.meta_path.insert(0, Ours())
shield and shield.raise_(3, 4096, 600)
exported = types.ModuleType("exported")
sys.modules["exported"] = exported
exec(source, vars(exported))
print(json.dumps({name: runner["measure"](vars(exported), game, settings) for name, game in games.items()}))
"""


class Exported(Record):
    """What ``--json`` prints."""

    session: str
    program: str
    program_id: str
    path: str
    games: tuple[str, ...]
    """Games on which the file was run inside the other framework, in a process without anything of ours."""
    left_out: dict[str, str]
    """Games of the usual check that the program itself does not run on, and why."""
    here: dict[str, Series]
    """Per game what is compared, by our referee."""
    there: dict[str, Series]
    """The same by the file, in the other framework."""
    differences: dict[str, float]
    """Per series the largest of all, relative to its largest number in the game."""


def export(program: Named, path: Path, box: Sandbox, games: tuple[str, ...] | None = None) -> Exported:
    """Write the file and check it. A file that does not agree is left where it is, for a look.

    Args:
        games: those to check it on, which must then all run; the problem's own if left out.

    Raises:
        Usage: the problem has no export, or the path cannot be written.
        Failed: the file does not run, or gives other results.
    """
    exporting = program.problem.export
    if exporting is None:
        raise Usage(f"Programs of problem {program.problem.name} cannot be exported yet.")
    _write(exporting, program, path)
    told = _told(exporting, games or exporting.games())
    here, left_out = _here(exporting, program, told, box)
    if left_out and (games or not here):
        raise Failed(f"The program does not run on {' '.join(left_out)}: {' '.join(left_out.values())}")
    there = _there(exporting, path, {game: told[game] for game in here})
    differences = {name: _difference(name, here, there) for name in exporting.compared}
    for name, largest in exporting.compared.items():
        if not differences[name] <= largest:
            raise Failed(
                f"{path} differs from the program inside {exporting.framework}: {name} by "
                f"{differences[name]:.3g} on {', '.join(here)} {exporting.when}. {exporting.doubt}"
            )
    return Exported(
        session=program.folder.name,
        program=program.name,
        program_id=program.program_id,
        path=str(path),
        games=tuple(here),
        left_out=left_out,
        here=here,
        there=there,
        differences=differences,
    )


def _write(exporting: Export, program: Named, path: Path) -> None:
    if faults := program.problem.check(program.source):
        raise Usage(f"The program does not fit the problem: {' '.join(faults)}")
    title = f"{program.name} ({program.program_id}) of {program.folder.name}, exported by Equilibrist."
    try:
        path.write_text(exporting.write(program.source, title), encoding="utf-8")
    except ValueError as error:
        raise Usage(str(error)) from None
    except OSError as error:
        raise Usage(f"{path} cannot be written: {error.strerror or error}") from None


def _told(exporting: Export, games: tuple[str, ...]) -> dict[str, Any]:
    try:
        return {game: exporting.told(game) for game in games}
    except ValueError as error:
        raise Usage(str(error)) from None


def _here(
    exporting: Export, program: Named, games: dict[str, Any], box: Sandbox
) -> tuple[dict[str, Series], dict[str, str]]:
    """Per game the series by our referee; or why the program does not run on it."""
    found, failed = {}, {}
    for game in games:
        settings = dict(exporting.settings)
        outcome = box.run(
            Job(problem=program.problem.name, program=program.source, game=game, settings=settings)
        )
        if outcome.status == "ok":
            found[game] = {name: outcome.artifact[name] for name in exporting.compared}
        else:
            failed[game] = f"{outcome.status}, {outcome.message}"
    return found, failed


def _there(exporting: Export, path: Path, games: dict[str, Any]) -> dict[str, Series]:
    """In an isolated process: no environment of the user, nothing of ours, and confined like a candidate."""
    root, spec = Path(__file__).resolve().parent.parent, importlib.util.find_spec(exporting.outside)
    assert spec is not None
    asked = json.dumps([str(root), str(path.resolve()), spec.origin, games, dict(exporting.settings)])
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "LANG")}
    line = [sys.executable, "-I", "-c", CHECK]
    done = subprocess.run(line, input=asked, capture_output=True, text=True, env=clean, check=False)
    if done.returncode:
        raise Failed(f"{path} does not run inside {exporting.framework}: {done.stderr.strip()[-1500:]}")
    found: dict[str, Series] = json.loads(done.stdout.splitlines()[-1])
    return found


def _difference(name: str, here: dict[str, Series], there: dict[str, Series]) -> float:
    largest = 0.0
    for game in here:
        pairs = list(zip(here[game][name], there[game][name], strict=True))
        size = max((abs(a) for a, _ in pairs), default=0.0) or 1.0
        largest = max([largest, *(abs(a - b) / size for a, b in pairs)], key=lambda x: (x != x, x))
    return largest
