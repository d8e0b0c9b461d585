"""The curves of Li et al. 2026 (Figure 3) beside our own, in that paper's loop and in the textbook's."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table

import problems
from equilibrist.config import versions
from equilibrist.errors import Usage
from equilibrist.home import open_home
from equilibrist.render import span
from memory.files import write_atomically
from problems.games.compile import pack
from problems.inprocess import InProcess
from problems.li2026.algorithms import ALGORITHMS
from problems.li2026.figures import published
from problems.li2026.histories import Histories, enumerate_game
from problems.li2026.loop import trajectory
from problems.regret import PROBLEM
from problems.regret.referee import rollout
from sandbox.job import Record

Semantics = Literal["paper", "textbook"]
SEMANTICS: tuple[Semantics, ...] = ("paper", "textbook")
GAMES = tuple(dict.fromkeys(game for game, _ in published()))
UPDATES = 999
"""The published horizon."""
RELATIVE = 5e-7
"""Reading error of the figure's coordinates."""
ABSOLUTE = 1e-15
"""Rounding of an exploitability: payoffs are of order one."""
FLOOR = 1e-8
"""Below it a game counts as solved in means and ranks; what the smallest games do there is rounding."""
TEXTBOOK = {
    "CFR": "cfr",
    "CFR+": "cfr_plus",
    "LCFR": "lcfr",
    "DCFR": "dcfr",
    "PCFR+": "pcfr_plus",
    "DPCFR+": "dpcfr_plus",
    "HS-PCFR+(30)": "hs_pcfr_plus",
    "VAD-CFR": "vad_cfr",
    "AOD-CFR": "aod_cfr",
}
"""The paper's name -> the baseline of problem *regret* that is the same rule in textbook semantics."""
_SOURCES = {"paper": ("li2026/*.py", "games/compile.py"), "textbook": ("games/*.py", "regret/r*.py")}
_VERSIONS = ("python", "machine", "numpy", "numba", "open_spiel", "torch")


class Curve(Record):
    """One algorithm on one game: our exploitability at the published updates and at the last asked for."""

    game: str
    algorithm: str
    semantics: Semantics
    updates: tuple[int, ...]
    exploitability: tuple[float, ...]
    seconds: float


class Agreement(Record):
    """A curve against the published one."""

    points: int
    agreeing: int
    """Within ``RELATIVE`` of the published value, or ``ABSOLUTE``."""
    largest_error: float
    """Relative, over the points above 1e-9."""
    departs: int | None
    """First update that disagrees."""


def reproduce(
    home: Path,
    games: Sequence[str] = GAMES,
    algorithms: Sequence[str] = tuple(ALGORITHMS),
    semantics: Sequence[Semantics] = SEMANTICS,
    updates: int = UPDATES,
    say: Callable[[str], None] = print,
) -> list[Curve]:
    """Run what is asked for, game by game; a curve that was run before with the same code is read back.

    Args:
        games: of ``GAMES``.
        algorithms: by the paper's names.
        updates: stop there, 1 .. 999.

    Raises:
        Usage: an unknown name, or a home folder that cannot be used.
    """
    _known("game", games, GAMES)
    _known("algorithm", algorithms, ALGORITHMS)
    _known("semantics", semantics, SEMANTICS)
    if not 1 <= updates <= UPDATES:
        raise Usage(f"The published curves have updates 1 to {UPDATES}; {updates} is not among them.")
    cache = open_home(home) / "cache" / "li2026"
    cache.mkdir(parents=True, exist_ok=True)
    curves = []
    for game in games:
        for algorithm in algorithms:
            for kind in semantics:
                if kind == "paper" or TEXTBOOK[algorithm] in PROBLEM.baselines:
                    curves.append(_curve(cache, game, algorithm, kind, updates, say))
    return curves


def _known(what: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise Usage(f"Li et al. 2026 have no {what} '{name}'. Known: {', '.join(known)}.")


def _curve(
    cache: Path, game: str, algorithm: str, semantics: Semantics, updates: int, say: Callable[[str], None]
) -> Curve:
    at = sorted({x for x in published()[game, algorithm] if x <= updates} | {updates})
    path = cache / f"{_key(game, algorithm, semantics, at)}.json"
    try:
        return Curve.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # never run, or damaged: run it
        pass
    started = time.monotonic()
    run = _paper if semantics == "paper" else _textbook
    values = run(game, algorithm, at)
    seconds = time.monotonic() - started
    curve = Curve(
        game=game,
        algorithm=algorithm,
        semantics=semantics,
        updates=tuple(at),
        exploitability=tuple(values),
        seconds=seconds,
    )
    write_atomically(path, curve.model_dump_json().encode())
    say(f"{game:<13} {algorithm:<13} {semantics:<9} {values[-1]:.4g} at {updates}   {span(seconds)}")
    return curve


def _paper(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    return [value for _, value in trajectory(_histories(game), algorithm, at)]


@lru_cache(maxsize=1)
def _histories(game: str) -> Histories:
    return enumerate_game(game)


def _textbook(game: str, algorithm: str, at: Sequence[int]) -> list[float]:
    program = InProcess(PROBLEM.rule, PROBLEM.baselines[TEXTBOOK[algorithm]])
    settings = {**PROBLEM.settings, "checkpoints": list(at), "seed": 0}
    return rollout(program, pack(game), settings)["exploitability"]


def _key(game: str, algorithm: str, semantics: Semantics, at: Sequence[int]) -> str:
    """Hash of everything that a curve depends on, sources included."""
    installed = versions()
    content = [game, algorithm, semantics, json.dumps(list(at)), *[installed[name] for name in _VERSIONS]]
    if semantics == "textbook":
        content.append(PROBLEM.baselines[TEXTBOOK[algorithm]])
    root = Path(problems.__file__).parent
    for pattern in _SOURCES[semantics]:
        content += [path.read_text(encoding="utf-8") for path in sorted(root.glob(pattern))]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:24]


def compare(curve: Curve) -> Agreement:
    """How far a curve agrees with the published one."""
    ours = dict(zip(curve.updates, curve.exploitability, strict=True))
    points = [(x, ours[x], y) for x, y in published()[curve.game, curve.algorithm].items() if x in ours]
    wrong = [x for x, value, y in points if not abs(value - y) <= RELATIVE * y + ABSOLUTE]
    return Agreement(
        points=len(points),
        agreeing=len(points) - len(wrong),
        largest_error=max((abs(value - y) / y for _, value, y in points if y > 1e-9), default=0.0),
        departs=wrong[0] if wrong else None,
    )


class Standing(Record):
    """One algorithm over several games at the last update."""

    algorithm: str
    semantics: Semantics
    mean_rank: float
    """1 is best; algorithms at or below ``FLOOR`` share their ranks."""
    geometric_mean: float
    """Of max(exploitability, ``FLOOR``)."""


def standings(curves: Sequence[Curve], semantics: Semantics) -> list[Standing]:
    """Best first, over the games on which every algorithm was run."""
    chosen = [curve for curve in curves if curve.semantics == semantics]
    final = {(c.game, c.algorithm): max(c.exploitability[-1], FLOOR) for c in chosen}
    algorithms = list(dict.fromkeys(algorithm for _, algorithm in final))
    games = [g for g in dict.fromkeys(game for game, _ in final) if all((g, a) in final for a in algorithms)]
    rows = []
    for algorithm in algorithms if games else []:
        ranks = [_rank([final[g, a] for a in algorithms], final[g, algorithm]) for g in games]
        logs = [math.log(final[g, algorithm]) for g in games]
        rows.append(
            Standing(
                algorithm=algorithm,
                semantics=semantics,
                mean_rank=math.fsum(ranks) / len(games),
                geometric_mean=math.exp(math.fsum(logs) / len(games)),
            )
        )
    return sorted(rows, key=lambda row: row.geometric_mean)


def _rank(values: Sequence[float], value: float) -> float:
    """Ties share the mean of their ranks."""
    return sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2


def render(curves: Sequence[Curve]) -> RenderableType:
    """Every curve against the figure, then the standings."""
    return Group(_curves_table(curves), *[t for kind in SEMANTICS if (t := _standings_table(curves, kind))])


def _curves_table(curves: Sequence[Curve]) -> Table:
    table = Table("game", "algorithm", title="Exploitability at the last update, points of the figure met")
    for column in ("published", "paper's loop", "textbook", "points met", "largest error"):
        table.add_column(column, justify="right")
    by_name = {(c.game, c.algorithm, c.semantics): c for c in curves}
    previous = ""
    for game, algorithm in dict.fromkeys((c.game, c.algorithm) for c in curves):
        if game != previous and previous:
            table.add_section()
        loop, textbook = (by_name.get((game, algorithm, kind)) for kind in SEMANTICS)
        met = compare(loop) if loop else None
        table.add_row(
            game if game != previous else "",
            algorithm,
            _number(published()[game, algorithm].get((loop or textbook).updates[-1])),  # type: ignore[union-attr]
            _number(loop.exploitability[-1] if loop else None),
            _number(textbook.exploitability[-1] if textbook else None),
            f"{met.agreeing}/{met.points}" + (f" to {met.departs}" if met.departs else "") if met else "",
            f"{met.largest_error:.0e}" if met else "",
        )
        previous = game
    return table


def _standings_table(curves: Sequence[Curve], semantics: Semantics) -> Table | None:
    rows = standings(curves, semantics)
    if not rows:
        return None
    kind = "the paper's loop" if semantics == "paper" else "textbook semantics"
    table = Table("algorithm", title=f"Standings in {kind}")
    for column in ("geometric mean", "mean rank"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row.algorithm, f"{row.geometric_mean:.2e}", f"{row.mean_rank:.2f}")
    return table


def _number(value: float | None) -> str:
    """Four digits; what is below a figure's floor is not told apart from zero."""
    if value is None:
        return ""
    return f"{value:.3e}" if value > 1e-16 else "<1e-16"
