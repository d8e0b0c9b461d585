"""A session for reading: leaderboard, best program, lessons, and the commands to look further."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from equilibrist import lift, troubles
from equilibrist.bring import options
from equilibrist.budget import spent_by, total
from equilibrist.lessons import line as lesson_line
from equilibrist.racing import spared
from equilibrist.reading.text import LINE, short
from equilibrist.render import STATUS_STYLE, curve_of, figure, safe
from memory.archive import Archive, Entry
from memory.events import Readable
from memory.files import is_held
from memory.journal import read_session
from memory.records import Experiment, Lesson

ROWS = 12
OPERATOR = 24
"""Characters of what made a program."""
WHY = 120
"""Characters of why a program failed in a list of all experiments."""
EDGE = 4
"""Lessons shown from either end of a list."""


def leaderboard(archive: Archive, rows: int = ROWS) -> Table:
    """The best programs among all baselines, score first, then one column per game."""
    ranked = archive.leaderboard
    games = list(ranked[0].result.games) if ranked else []
    table = Table(
        "rank",
        "program",
        "made by",
        title="Leaderboard (train games, higher is better)",
        title_justify="left",
    )
    for column in ("score", *games):
        table.add_column(safe(column), justify="right")
    best_baseline = max(
        (e.result.score or float("-inf") for e in ranked if e.number is None), default=float("-inf")
    )
    shown = [(i, e) for i, e in enumerate(ranked, 1) if i <= rows or e.number is None]
    for rank, entry in shown:
        better = entry.number is not None and (entry.result.score or float("-inf")) > best_baseline
        style = "bold green" if better else ("cyan" if entry.number is None else "")
        name = f"{entry.program_id} {safe(entry.name)}" if entry.number is not None else safe(entry.name)
        made_by = safe(entry.operator) or ("baseline" if entry.number is None else "")
        scores = [figure(entry.result.score), *(figure(entry.result.games.get(game)) for game in games)]
        table.add_row(str(rank), name, made_by, *scores, style=style)
    return table


def counts(archive: Archive) -> str:
    """How the experiments ended, in one line."""
    tally: dict[str, int] = {}
    for experiment in archive.experiments:
        tally[experiment.result.status] = tally.get(experiment.result.status, 0) + 1
    parts = ", ".join(f"{count} {status}" for status, count in sorted(tally.items(), key=lambda kv: -kv[1]))
    return f"{len(archive.experiments)} experiments: {parts}" if parts else "no experiment yet"


def program(console: Console, archive: Archive, entry: Entry) -> None:
    """A program's hypothesis, its curves and its difference from its parent."""
    console.print(
        Text(f"\n{entry.name} {entry.program_id}  score {figure(entry.result.score).strip()}", style="bold")
    )
    if entry.hypothesis:
        console.print(Text("Hypothesis: " + short(entry.hypothesis)))
    width = max(map(len, entry.result.curves), default=0)
    for game, series in entry.result.curves.items():
        name, final, line = curve_of(series)
        if line:
            console.print(Text(f"  {safe(game):<{width}}  {line}  {name} {final}"))
    parent = archive.parent(entry.program_id)
    if parent is None:
        console.print(Syntax(short(entry.source), "python", word_wrap=True, background_color="default"))
        return
    console.print(
        Text(f"Changed from its parent {parent.name} (score {figure(parent.result.score).strip()}):")
    )
    console.print(Syntax(diff(parent, entry), "diff", word_wrap=True, background_color="default"))


def diff(parent: Entry, child: Entry) -> str:
    """Unified diff of two programs, safe to print."""
    lines = difflib.unified_diff(
        short(parent.source).splitlines(),
        short(child.source).splitlines(),
        parent.name,
        child.name,
        lineterm="",
        n=2,
    )
    return "\n".join(lines)


def lineage(archive: Archive, entry: Entry) -> str:
    """From the first ancestor to the program, with scores."""
    line = reversed(archive.lineage(entry.program_id))
    return "  ->  ".join(f"{safe(e.name)} {figure(e.result.score).strip()}" for e in line)


def experiments(archive: Archive) -> Iterator[Text]:
    """Every experiment in one line, below a line of titles; made as they are printed."""
    width = max((len(e.proposal.operator) for e in archive.experiments if e.proposal), default=0)
    row = f"{{:>5}}  {{:12}}  {{:12}}  {{:13}}  {{:{min(width, OPERATOR)}}}  {{:>7}}  {{:>7}}  {{}}"
    yield Text("\nExperiments", style="italic")
    titles = ("no", "program", "parent", "status", "made by", "score", "gain", "why")
    yield Text(row.format(*titles), style="bold")
    for e in archive.experiments:
        gain = archive.improvement(e)
        line = row.format(
            e.number,
            e.proposal.program_id if e.proposal else "-",
            (e.proposal.parent_id if e.proposal else None) or "-",
            e.result.status,
            safe(e.proposal.operator)[:OPERATOR] if e.proposal else "-",
            figure(e.result.score),
            f"{gain:+.4f}" if gain is not None else "",
            " ".join(safe(_why(e)[:WHY]).split()),
        )
        yield Text(line.rstrip(), style="" if e.result.status == "ok" else STATUS_STYLE[e.result.status])


def _why(experiment: Experiment) -> str:
    """Why it failed: the sandbox's message, else the critic's last word against it."""
    if experiment.result.status == "ok":
        return ""
    against = [v.reasons for v in experiment.verdicts if v.decision != "approve"]
    return experiment.result.message or (against[-1] if against else "")


def show(
    console: Console, journal: Readable, known: Mapping[str, Lesson], all_experiments: bool = False
) -> None:
    """The whole picture of one session. ``known``: every lesson of the home by id."""
    archive = Archive.of(journal)
    session = journal.folder.name
    config = read_session(journal.folder).get("config", {})
    console.print(Text(f"Session {session}", style="bold"), Text(_settings(config), style="dim"))
    console.print(Text(f"{counts(archive)}; {state(journal)}"))
    shares = spent_by(journal)
    if total(shares).tokens or any(part.tries > part.replies for part in shares.values()):
        console.print(Text(f"Spent {total(shares)}"))
        for (role, model), part in shares.items():
            console.print(Text(f"  {safe(role)} {short(model, LINE)}: {part}", style="dim"))
    if wrong := troubles.counts(journal):
        told = ", ".join(f"{count} {safe(name)}" for name, count in wrong.items())
        console.print(Text(f"Went wrong: {told}", style="dim"))
    _ranking(console, archive)
    best = next((entry for entry in archive.leaderboard if entry.number is not None), None)
    if best is not None:
        program(console, archive, best)
        console.print(Text("Lineage: " + lineage(archive, best)))
        _led(console, archive.experiment(best.number or 0), known)
    if all_experiments:
        for row in experiments(archive):
            console.print(row, soft_wrap=True)
    if lessons := lessons_of(session, known):
        _learnt(console, lessons, all_experiments)
    for line in next_steps(session, str(config.get("problem", "")), best, config.get("games", ())):
        console.print(Text(line, style="dim"))


def _led(console: Console, experiment: Experiment | None, known: Mapping[str, Lesson]) -> None:
    """The lessons that the author of the best program was shown."""
    if experiment is None or experiment.proposal is None:
        return
    shown = [lesson["id"] for lesson in experiment.brief.get("lessons") or ()]
    names = list(dict.fromkeys([*shown, *experiment.proposal.lesson_ids]))
    for name in names[:EDGE]:
        lesson = lesson_line(known[name]) if name in known else Text(name)
        console.print(Text("Its author was shown ").append_text(lesson), soft_wrap=True)
    if len(names) > EDGE:
        console.print(f"and {len(names) - EDGE} more: --experiment {experiment.number} shows them all")


def _learnt(console: Console, lessons: Sequence[Lesson], every: bool) -> None:
    shown = lessons if every or len(lessons) <= 2 * EDGE else [*lessons[:EDGE], *lessons[-EDGE:]]
    title = f"\nLessons of this session ({len(shown)} of {len(lessons)}: what helped most, what hurt most)"
    console.print(Text(title, style="bold"))
    for lesson in shown:
        console.print(lesson_line(lesson), soft_wrap=True)


def _ranking(console: Console, archive: Archive) -> None:
    if archive.leaderboard:
        console.print(leaderboard(archive))
    if arms := lift.rows(archive):
        console.print(lift.table(arms))
    if steps := spared(archive):
        console.print(Text(str(steps), style="dim"))


def next_steps(session: str, problem: str, best: Entry | None, games: Sequence[str] = ()) -> Iterable[str]:
    """``games``: of the user's own, on which the session trains."""
    steps = [(f"show {session} --all", "every experiment and lesson")]
    if best is not None:
        steps += [
            (f"show {session} --experiment {best.number}", "how the best one came about"),
            (f"transcript {session} --experiment {best.number}", "what was said about it"),
            (f"evaluate {problem} {session}/{best.program_id}{options(problem, games)}", "judge it again"),
            (f"finalists {session}", "which of the best is no luck?"),
        ]
    steps.append(('memory query "what helped?"', "what was learnt, with its evidence"))
    width = max(len(command) for command, _ in steps if len(command) < 60)
    yield "\nTo look further:"
    yield from (f"  equilibrist {command:<{width}}   {what}" for command, what in steps)


def cost(journal: Readable) -> dict[str, Any]:
    """What the replies took, in all and by role and model."""
    shares = spent_by(journal)
    return {
        **asdict(total(shares)),
        "troubles": troubles.counts(journal),
        "shares": [{"role": role, "model": model, **asdict(part)} for (role, model), part in shares.items()],
    }


def state(journal: Readable) -> str:
    """How the session stands: ``done``, ``interrupted``, ``running`` ..."""
    marks = list(journal.events("started", "ended"))
    if not marks:
        return "not started"
    if marks[-1].kind == "ended":
        return str(marks[-1].data["reason"])
    return "running" if is_held(journal.folder / "lock") else "stopped without a word: resume it"


def lessons_of(session: str, known: Mapping[str, Lesson]) -> list[Lesson]:
    """The lessons that a session added, from what helped most to what hurt most, as memory has them now."""
    own = [lesson for lesson in known.values() if lesson.session == session]
    return sorted(own, key=lambda lesson: -(lesson.effect or 0.0))


def summary(journal: Readable, lessons: Sequence[Lesson]) -> dict[str, Any]:
    """The session as JSON."""
    archive = Archive.of(journal)
    return {
        "session": journal.folder.name,
        "state": state(journal),
        **read_session(journal.folder),
        "cost": cost(journal),
        "racing": asdict(steps) if (steps := spared(archive)) else None,
        "leaderboard": [_row(entry) for entry in archive.leaderboard],
        "arms": [row.model_dump(mode="json") for row in lift.rows(archive)],
        "experiments": [
            {
                "number": e.number,
                "program_id": e.proposal.program_id if e.proposal else None,
                "parent_id": e.proposal.parent_id if e.proposal else None,
                "hypothesis": e.proposal.hypothesis if e.proposal else "",
                "operator": e.proposal.operator if e.proposal else "",
                "status": e.result.status,
                "message": e.result.message,
                "score": e.result.score,
                "games": e.result.games,
                "improvement": archive.improvement(e),
                "lessons": e.lesson_ids,
            }
            for e in archive.experiments
        ],
        "lessons": [lesson.model_dump(mode="json") for lesson in lessons],
    }


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "program_id": entry.program_id,
        "name": entry.name,
        "experiment": entry.number,
        "parent_id": entry.parent_id,
        "operator": entry.operator,
        "score": entry.result.score,
        "games": entry.result.games,
        "details": entry.result.details,
    }


def _settings(config: dict[str, Any]) -> str:
    names = ("problem", "seed", "proposer", "sandbox", "experiments")
    return "  ".join(f"{name} {safe(str(config[name]))}" for name in names if name in config)
