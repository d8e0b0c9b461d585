"""Sessions, experiments and lessons as pandas data frames, in two lines (``docs/notebook.md``)::

    from equilibrist.frames import load
    lab = load()

Needs the extra ``pandas``: ``pip install 'equilibrist[pandas]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equilibrist.errors import Usage
from equilibrist.home import default_home, find_session
from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.story import turns
from equilibrist.reading.view import Row, SessionView

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Frames:
    """Each property reads what it needs when it is first asked for."""

    laboratory: Laboratory
    names: tuple[str, ...]

    @property
    def _views(self) -> list[SessionView]:
        views = [view for view in self.laboratory.sessions() if view.name in self.names]
        return views[::-1]

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row per session, oldest first: state, counts, best scores, cost, settings."""
        return _frame(map(_session, self._views), "session")

    @cached_property
    def experiments(self) -> pd.DataFrame:
        """One row per experiment: status, score, gain, hypothesis, lessons, and a column per game."""
        return _frame(_programs(self._views, lambda view: view.experiments))

    @cached_property
    def baselines(self) -> pd.DataFrame:
        """The same of the known rules."""
        return _frame(_programs(self._views, lambda view: view.baselines))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Long form: session, name, game, series, iteration, value."""
        return _frame(
            {
                "session": view.name,
                "name": row.name,
                "game": game,
                "series": series,
                "iteration": at,
                "value": value,
            }
            for view in self._views
            for row in [*view.baselines, *view.experiments]
            for game, named in view.result(row)[1].curves.items()
            for series, values in named.items()
            if series != "iterations"
            for at, value in zip(named.get("iterations", range(1, len(values) + 1)), values, strict=False)
        )

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row per tool call of an agent, in order."""
        return _frame(
            {
                "session": view.name,
                "experiment": row.number,
                "role": turn.role,
                "round": turn.round,
                "time": step.time,
                "model": step.model,
                "tool": call.name,
                "arguments": call.arguments,
                "result": call.result,
            }
            for view in self._views
            for row in view.experiments
            for turn in turns(view.spoken(row.number or 0))
            for step in turn.steps
            for call in step.calls
        )

    @cached_property
    def lessons(self) -> pd.DataFrame:
        """One row per lesson with its evidence; of all sessions unless sessions were chosen."""
        every = self.laboratory.lessons().values()
        chosen = [x for x in every if x.session in self.names or (not x.session and len(self.names) > 1)]
        return _frame(
            ({**x.model_dump(), "influenced": len(self.laboratory.influence(x.id))} for x in chosen), "id"
        )


def load(session: str = "", home: Path | str | None = None) -> Frames:
    """All sessions of a home folder, or one (its id, the start of it, or ``last``).

    Raises:
        Usage: there is no such session.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise Usage("Data frames need an optional part: pip install 'equilibrist[pandas]'.") from error
    folder = Path(home) if home is not None else default_home()
    laboratory = Laboratory(folder)
    names = (find_session(folder, session).name,) if session else tuple(v.name for v in laboratory.sessions())
    return Frames(laboratory, names)


def _session(view: SessionView) -> dict[str, Any]:
    best, bar, spent = view.best, view.best_baseline, view.spend()
    return {
        "session": view.name,
        "problem": view.problem,
        "state": view.state,
        "began": view.lines.began,
        "experiments": len(view.rows),
        "best": best.score if best else None,
        "best_name": best.name if best else None,
        "baseline": bar.score if bar else None,
        "baseline_name": bar.name if bar else None,
        "tokens": spent.tokens,
        "usd": spent.usd,
        **{
            key: view.config.get(key)
            for key in ("seed", "proposer", "critic", "analyst", "parallel", "sandbox")
        },
    }


def _programs(
    views: Sequence[SessionView], rows: Callable[[SessionView], list[Row]]
) -> Iterable[dict[str, Any]]:
    for view in views:
        for row in rows(view):
            fields = asdict(row)
            games = fields.pop("games")
            yield {"session": view.name, **fields, **games}


def _frame(rows: Iterable[dict[str, Any]], index: str = "") -> pd.DataFrame:
    import pandas as pd

    made = pd.DataFrame(list(rows))
    for column in ("time", "began", "created"):
        if column in made:
            made[column] = pd.to_datetime(made[column], format="ISO8601", utc=True)
    return made.set_index(index) if index and not made.empty else made
