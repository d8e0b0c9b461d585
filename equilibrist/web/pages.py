"""What each page shows. Plain functions from a request to an answer; Starlette runs them in threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from equilibrist.lessons import SURE
from equilibrist.reading import charts, listing, text
from equilibrist.reading.laboratory import Laboratory
from equilibrist.reading.story import turns
from equilibrist.reading.view import Row, SessionView
from equilibrist.render import span, sparkline
from equilibrist.web import search

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    finalize=text.finish,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
HEAT = 8
"""Steps of the colours of a leaderboard's cells."""
CHARTS_KEPT = 64
_CHARTS: dict[tuple[Any, ...], str] = {}


def number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}".replace("-", "\u2212")


def heat(value: float | None, values: list[float]) -> str:
    """A class for a cell: ``heat-0`` (worst) to ``heat-7`` (best) by rank."""
    if value is None or len(values) < 2:
        return ""
    below = sum(other < value for other in values)
    return f"heat-{min(HEAT - 1, below * HEAT // len(values))}"


PAGES.filters.update(
    number=number, signed=signed, short=text.short, pretty=text.pretty, code=text.code, span=span
)
PAGES.globals.update(heat=heat, SURE=SURE)


def laboratory(request: Request) -> Laboratory:
    found: Laboratory = request.app.state.laboratory
    return found


def page(request: Request, name: str, status: int = 200, **shown: Any) -> HTMLResponse:
    html = PAGES.get_template(name).render(path=request.url.path, **shown)
    return HTMLResponse(html.encode("utf-8", "replace"), status)


def fault(request: Request, code: int, detail: str) -> Response:
    told = {404: "There is no such page.", 405: "Pages here are only read."}
    what = (
        detail
        if code == 404 and detail not in ("", "Not Found")
        else told.get(code, "The server failed; its terminal says why.")
    )
    return page(request, "fault.html", code, code=code, what=what)


def _view(request: Request) -> SessionView:
    name = request.path_params["session"]
    view = laboratory(request).session(name)
    if view is None:
        raise HTTPException(404, f"There is no session {name} in this home folder.")
    return view


def sessions(request: Request) -> Response:
    """Every session: state, best score over time, cost, rate, errors."""
    return page(
        request, "sessions.html", sessions=[_summary(view) for view in laboratory(request).sessions()]
    )


def _summary(view: SessionView) -> dict[str, Any]:
    rows, best, bar = view.experiments, view.best, view.best_baseline
    failed = sum(row.status not in ("ok", "rejected") for row in rows)
    return {
        "view": view,
        "state": view.state,
        "count": len(rows),
        "total": view.config.get("experiments"),
        "best": best,
        "bar": bar,
        "spark": sparkline([score for _, score in listing.best_so_far(rows)], 20),
        "spent": view.spend(),
        "rate": listing.rate(rows),
        "failed": failed,
        "rejected": sum(row.status == "rejected" for row in rows),
        "began": view.lines.began[:16].replace("T", " "),
    }


def session(request: Request) -> Response:
    """One session: the best program and its line, leaderboard, charts, every experiment."""
    view = _view(request)
    lessons = laboratory(request).lessons()
    best = view.best
    line = list(reversed(view.lineage(best))) if best else []
    games = view.games
    ranked = view.ranked
    listed = [(rank, row) for rank, row in enumerate(ranked, 1) if rank <= 12 or row.number is None]
    arms = listing.arms(view.experiments)
    return page(
        request,
        "session.html",
        **_summary(view),
        line=line,
        lessons=lessons,
        games=games,
        listed=listed,
        columns={game: [row.games[game] for row in ranked if game in row.games] for game in games},
        arms=arms,
        shares=view.shares,
        under_way=view.under_way() if view.running else [],
        confirmations=view.events("confirmation"),
        distillations=view.events("distillation"),
        own_lessons=listing.by_effect(lesson for lesson in lessons.values() if lesson.session == view.name),
        **listing.chosen(view, request.query_params),
    )


def rows(request: Request) -> Response:
    """A further part of the table of experiments."""
    view = _view(request)
    return page(request, "rows.html", view=view, **listing.chosen(view, request.query_params))


def lineage(request: Request) -> Response:
    view = _view(request)
    best = view.best
    key = ("lineage", view.name, view.lines.count("experiment", "baseline"))
    line = view.lineage(best) if best else []
    return HTMLResponse(_drawn(key, lambda: charts.lineage(view.experiments, view.baselines, line)))


def charts_of(request: Request) -> Response:
    """Progress, budget and convergence of a session, as one piece of a page."""
    view = _view(request)
    view.spend()
    key = ("charts", view.name, view.lines.last)

    def draw() -> str:
        bar = view.best_baseline
        parts = [
            (
                "Best score so far",
                charts.progress({"best so far": view.experiments}, bar.score if bar else None),
            )
        ]
        if burnt := charts.burn_down(view.experiments, view.costs, view.config):
            parts.append(("Budget", burnt))
        results = _results(view, listing.exemplars(view))
        return PAGES.get_template("charts.html").render(parts=parts, curves=charts.convergence(results))

    return HTMLResponse(_drawn(key, draw))


def _results(view: SessionView, chosen: list[Row]) -> dict[str, Any]:
    found = {}
    for row in chosen:
        try:
            found[row.name] = view.result(row)[1]
        except (KeyError, ValueError):
            continue
    return found


def _drawn(key: tuple[Any, ...], draw: Any) -> str:
    """A chart, kept until newer ones push it out."""
    if key not in _CHARTS:
        drawn = draw()
        while len(_CHARTS) >= CHARTS_KEPT:
            _CHARTS.pop(next(iter(_CHARTS)), None)
        _CHARTS[key] = drawn
    return _CHARTS[key]


def program(request: Request) -> Response:
    """A baseline's page; an experiment's program leads to the experiment."""
    view = _view(request)
    row = view.find(request.path_params["name"])
    if row is None:
        raise HTTPException(404, "The session has no such program.")
    if row.number is not None:
        return Response(
            status_code=303, headers={"location": f"/sessions/{view.name}/experiments/{row.number}"}
        )
    source, result = view.result(row)
    curves = _drawn(("curves", view.name, row.name), lambda: charts.convergence({row.name: result}))
    return page(
        request,
        "program.html",
        view=view,
        row=row,
        source=source,
        result=result,
        curves=curves,
        children=view.children.get(row.program_id, []),
    )


def experiment(request: Request) -> Response:
    """The chain from a hypothesis to the proposals that its lessons influenced."""
    view, at = _view(request), request.path_params["number"]
    spoken = view.spoken(at)
    record, row = view.experiment(at), view.rows.get(at)
    if not spoken:
        raise HTTPException(404, f"Session {view.name} has no experiment {at} yet.")
    known = laboratory(request)
    lessons = known.lessons()
    proposal = record.proposal if record else None
    parent = view.by_program.get(row.parent_id) if row else None
    before = view.result(parent)[0] if parent else ""
    told = turns(spoken)
    return page(
        request,
        "experiment.html",
        view=view,
        number_=at,
        row=row,
        record=record,
        proposal=proposal,
        parent=parent,
        difference=text.difference(before, proposal.source) if proposal and parent else [],
        turns=told,
        systems=_systems(view, {turn.system for turn in told}),
        lessons=lessons,
        shown=[lessons.get(name, name) for name in row.lessons_in] if row else [],
        learnt=[(lessons[x], known.influence(x)) for x in row.lessons_out if x in lessons] if row else [],
        inspirations=[view.by_program[x] for x in proposal.inspiration_ids if x in view.by_program]
        if proposal
        else [],
        descendants=view.descendants(row) if row else [],
        rank=next((i for i, other in enumerate(view.ranked, 1) if other is row), None),
        last=max(view.rows, default=at),
        steering=next((e.data.get("steering", []) for e in spoken if e.kind == "begun"), []),
    )


def _systems(view: SessionView, keys: set[str]) -> dict[str, str]:
    return {e.key or "": str(e.data.get("text", "")) for e in view.events("system") if e.key in keys}


def curves(request: Request) -> Response:
    """An experiment's curves beside its parent's, the best baseline's and the best program's."""
    view = _view(request)
    row = view.rows.get(request.path_params["number"])
    if row is None:
        return HTMLResponse("")
    parent, bar, best = view.by_program.get(row.parent_id), view.best_baseline, view.best
    beside = {other.name: other for other in (row, parent, bar, best) if other is not None}
    key = ("curves", view.name, *beside)
    return HTMLResponse(_drawn(key, lambda: charts.convergence(_results(view, list(beside.values())))))


def memory(request: Request) -> Response:
    """Lessons by question and filters."""
    known = laboratory(request)
    asked = search.Asked.of(request.query_params)
    found, total = search.answer(known, asked)
    every = known.lessons().values()
    choices = {
        "status": sorted({lesson.status for lesson in every}),
        "kind": sorted({lesson.kind for lesson in every}),
        "problem": sorted({lesson.problem for lesson in every}),
        "session": sorted({lesson.session for lesson in every if lesson.session}, reverse=True),
        "game": sorted({game for lesson in every for game in lesson.games}),
    }
    return page(request, "memory.html", asked=asked, found=found, total=total, choices=choices)


def lesson(request: Request) -> Response:
    """A lesson: its evidence, and the proposals that were shown it."""
    known = laboratory(request)
    chosen = known.lessons().get(request.path_params["lesson"])
    if chosen is None:
        raise HTTPException(404, "Memory has no such lesson.")
    evidence = [("for", name) for name in chosen.supported_by] + [
        ("against", x) for x in chosen.contradicted_by
    ]
    rows_ = []
    for side, name in evidence:
        where, _, at = name.rpartition("/")
        view = known.session(where)
        rows_.append((side, name, where, view.rows.get(int(at)) if view and at.isdecimal() else None))
    return page(
        request,
        "lesson.html",
        lesson=chosen,
        evidence=rows_,
        influence=known.influence(chosen.id),
        born=_birthplace(known, chosen.id),
        against=[known.lessons().get(x) for x in chosen.against],
    )


def _birthplace(known: Laboratory, lesson: str) -> tuple[str, Row] | None:
    """The experiment that taught it first."""
    for view in reversed(known.sessions()):
        for row in view.experiments:
            if lesson in row.lessons_out:
                return view.name, row
    return None


def compare(request: Request) -> Response:
    """Two programs, or two sessions, side by side."""
    known = laboratory(request)
    names = [request.query_params.get(key, "").strip() for key in ("a", "b")]
    sides = [listing.named(known, name) for name in names]
    shown: dict[str, Any] = {"names": names, "sides": sides, "choices": [v.name for v in known.sessions()]}
    shown |= {"difference": [], "curves": "", "games": [], "results": []}
    if all(side is not None and side[1] is not None for side in sides):
        pairs = [(view, row) for view, row in sides if row is not None]  # type: ignore[misc]
        read = [view.result(row) for view, row in pairs]
        labels = listing.labels(pairs)
        shown["difference"] = text.difference(read[0][0], read[1][0])
        shown["curves"] = charts.convergence(dict(zip(labels, [result for _, result in read], strict=True)))
        shown["games"] = list(dict.fromkeys(game for _, row in pairs for game in row.games))
    elif all(side is not None and side[1] is None for side in sides):
        views = [side[0] for side in sides if side is not None]
        shown["results"] = [_summary(view) for view in views]
        shown["curves"] = charts.progress({view.name: view.experiments for view in views}, None)
        shown["games"] = list(dict.fromkeys(game for view in views for game in view.games))
    return page(request, "compare.html", **shown)
