"""The curves of Li et al. 2026 (Figures 3, 4) beside our own, in that paper's loop and in the textbook's."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table

import problems
from equilibrist.config import versions
from equilibrist.errors import Usage
from equilibrist.home import open_home
from equilibrist.li2026 import FIGURES, Figure, MissingLibrary
from equilibrist.render import span
from memory.files import write_atomically
from sandbox.job import Record

Semantics = Literal["paper", "textbook"]
SEMANTICS: tuple[Semantics, ...] = ("paper", "textbook")
RELATIVE = 5e-7
"""Reading error of the figure's coordinates."""
ABSOLUTE = 1e-15
"""Rounding of an exploitability: payoffs are of order one."""
FLOOR = 1e-8
"""Below it a game counts as solved in means and ranks; what the smallest games do there is rounding."""
_VERSIONS = ("python", "machine", "numpy", "numba", "open_spiel", "torch")


class Curve(Record):
    """One algorithm on one game: our exploitability at the published updates and at the last asked for."""

    problem: str = "regret"
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
    largest_error_before: float
    """The same over the points before the first one that disagrees."""
    departs: int | None
    """First update that disagrees."""


def reproduce(
    home: Path,
    games: Sequence[str] | None = None,
    algorithms: Sequence[str] | None = None,
    semantics: Sequence[Semantics] = SEMANTICS,
    updates: int | None = None,
    say: Callable[[str], None] = print,
    problem: str = "regret",
) -> list[Curve]:
    """Run what is asked for, game by game; a curve that was run before with the same code is read back.

    Args:
        games: of the problem's figure; all of them if not given.
        algorithms: by the paper's names; all of them if not given.
        updates: stop there; the figure's end if not given.
        problem: of ``FIGURES``.

    Raises:
        Usage: an unknown name, or a home folder that cannot be used.
    """
    _known("problem", [problem], FIGURES)
    figure = FIGURES[problem]
    updates = figure.last if updates is None else updates
    _known("game", games or (), figure.games)
    _known("algorithm", algorithms or (), figure.baselines)
    _known("semantics", semantics, SEMANTICS)
    if not 1 <= updates <= figure.last:
        raise Usage(f"The published curves have updates 1 to {figure.last}; {updates} is not among them.")
    cache = open_home(home) / "cache" / "li2026"
    cache.mkdir(parents=True, exist_ok=True)
    curves = []
    for game in games or figure.games:
        for algorithm in algorithms or figure.baselines:
            for kind in semantics if (game, algorithm) in figure.published() else ():
                try:
                    curves.append(_curve(cache, problem, game, algorithm, kind, updates, say))
                except MissingLibrary as error:
                    say(f"{game:<13} {algorithm:<13} {kind:<9} not run: {error}")
    return curves


def _known(what: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise Usage(f"Li et al. 2026 have no {what} '{name}'. Known: {', '.join(known)}.")


def _curve(  # noqa: PLR0913
    cache: Path,
    problem: str,
    game: str,
    algorithm: str,
    semantics: Semantics,
    updates: int,
    say: Callable[[str], None],
) -> Curve:
    figure = FIGURES[problem]
    at = sorted({x for x in figure.published()[game, algorithm] if x <= updates} | {updates})
    path = cache / f"{_key(figure, game, algorithm, semantics, at)}.json"
    try:
        return Curve.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # never run, or damaged: run it
        pass
    started = time.monotonic()
    run = figure.paper if semantics == "paper" else figure.textbook
    values = run(game, algorithm, at)
    seconds = time.monotonic() - started
    curve = Curve(
        problem=problem,
        game=game,
        algorithm=algorithm,
        semantics=semantics,
        updates=tuple(at[: len(values)]),
        exploitability=tuple(values),
        seconds=seconds,
    )
    write_atomically(path, curve.model_dump_json().encode())
    end = f"{values[-1]:.4g} at {curve.updates[-1]}"
    say(f"{game:<13} {algorithm:<13} {semantics:<9} {end}   {span(seconds)}")
    return curve


def _key(figure: Figure, game: str, algorithm: str, semantics: Semantics, at: Sequence[int]) -> str:
    """Hash of everything that a curve depends on, sources included."""
    installed = versions()
    content = [game, algorithm, semantics, json.dumps(list(at)), *[installed[name] for name in _VERSIONS]]
    content.append(figure.programs[figure.baselines[algorithm]])
    root = Path(problems.__file__).parent
    for pattern in figure.sources[semantics]:
        content += [path.read_text(encoding="utf-8") for path in sorted(root.glob(pattern))]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()[:24]


def compare(curve: Curve) -> Agreement:
    """How far a curve agrees with the published one."""
    ours = dict(zip(curve.updates, curve.exploitability, strict=True))
    theirs = FIGURES[curve.problem].published()[curve.game, curve.algorithm]
    points = [(x, ours[x], y) for x, y in theirs.items() if x in ours]
    wrong = [x for x, value, y in points if not abs(value - y) <= RELATIVE * y + ABSOLUTE]
    return Agreement(
        points=len(points),
        agreeing=len(points) - len(wrong),
        largest_error=_largest_error(points),
        largest_error_before=_largest_error([point for point in points if not wrong or point[0] < wrong[0]]),
        departs=wrong[0] if wrong else None,
    )


def _largest_error(points: Sequence[tuple[int, float, float]]) -> float:
    return max((abs(value - y) / y for _, value, y in points if y > 1e-9), default=0.0)


class Standing(Record):
    """One algorithm over several games at the last update."""

    algorithm: str
    semantics: Semantics
    mean_rank: float
    """1 is best; algorithms at or below ``FLOOR`` share their ranks."""
    geometric_mean: float
    """Of max(exploitability, ``FLOOR``)."""


def standings(curves: Sequence[Curve], semantics: Semantics) -> list[Standing]:
    """Best first, over the games on which every algorithm was run; without those that ended early."""
    last = max((curve.updates[-1] for curve in curves), default=0)
    chosen = [curve for curve in curves if curve.semantics == semantics and curve.updates[-1] == last]
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
    for column in ("at", "published", "paper's loop", "textbook", "points met", "error till then"):
        table.add_column(column, justify="right")
    by_name = {(c.game, c.algorithm, c.semantics): c for c in curves}
    previous = ""
    for game, algorithm in dict.fromkeys((c.game, c.algorithm) for c in curves):
        if game != previous and previous:
            table.add_section()
        loop, textbook = (by_name.get((game, algorithm, kind)) for kind in SEMANTICS)
        met = compare(loop) if loop else None
        shown: Curve = loop or textbook  # type: ignore[assignment]
        last = shown.updates[-1]
        table.add_row(
            game if game != previous else "",
            algorithm,
            str(last),
            _number(FIGURES[shown.problem].published()[game, algorithm].get(last)),
            _number(loop.exploitability[-1] if loop else None),
            _number(textbook.exploitability[-1] if textbook else None),
            f"{met.agreeing}/{met.points}" + (f" to {met.departs}" if met.departs else "") if met else "",
            f"{met.largest_error_before:.0e}" if met else "",
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
