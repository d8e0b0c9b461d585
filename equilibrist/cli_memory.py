"""``equilibrist memory``: what was learnt over all sessions, with its evidence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, get_args

import typer
from rich.console import Console

from equilibrist.errors import Failed, Usage
from equilibrist.home import open_home
from equilibrist.options import HOME, Embeddings, Home, Json, MemoryUrl, emit
from equilibrist.terminal import paged
from memory.records import LessonKind, LessonStatus

if TYPE_CHECKING:
    from memory.library import Library
    from memory.mirror import Filter

app = typer.Typer(help="What was learnt, over all sessions.", no_args_is_help=True)

LessonId = Annotated[str, typer.Argument(help="A lesson's id, or the start of it.")]
ProblemName = Annotated[str, typer.Option("--problem", help="Only lessons about this problem.")]
Game = Annotated[str, typer.Option("--game", help="Only lessons that name this game.")]
Kind = Annotated[str, typer.Option("--kind", help=f"One of {', '.join(get_args(LessonKind))}.")]
Status = Annotated[str, typer.Option("--status", help=f"One of {', '.join(get_args(LessonStatus))}.")]
Session = Annotated[str, typer.Option("--session", help="Only lessons that this session added.")]
Since = Annotated[str, typer.Option("--since", help="ISO date: only lessons since then.")]


@contextmanager
def library(home: Path, embeddings: str = "", url: str | None = None) -> Iterator[Library]:
    """The home's library of lessons."""
    from memory.embedder import open_embedder
    from memory.library import Library

    home = open_home(home)
    with Library(home, open_embedder(embeddings, home / "memory" / "vectors"), url) as opened:
        yield opened


def filter_of(**wanted: str) -> Filter:
    """The filter that the options ask for. Raises Usage for a status, kind or date that cannot be."""
    from memory.mirror import Filter

    for name, allowed in (("status", get_args(LessonStatus)), ("kind", get_args(LessonKind))):
        if wanted[name] and wanted[name] not in allowed:
            raise Usage(f"'{wanted[name]}' is no {name} of a lesson: {', '.join(allowed)}.")
    if wanted["since"]:
        try:
            datetime.fromisoformat(wanted["since"])
        except ValueError:
            raise Usage(f"'{wanted['since']}' is no date; it looks like 2026-11-25.") from None
    game = wanted.pop("game")
    return Filter(**wanted, games=(game,) if game else ())


@app.command()
def query(
    question: Annotated[str, typer.Argument(help='E.g. "does discounting help in Leduc?"')],
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many lessons.")] = 6,
    problem: ProblemName = "",
    game: Game = "",
    kind: Kind = "",
    status: Status = "",
    session: Session = "",
    since: Since = "",
    model: Annotated[
        str, typer.Option(help="Chat model that writes a short answer.", envvar="EQUILIBRIST_MODEL")
    ] = "",
    embeddings: Embeddings = "",
    memory_url: MemoryUrl = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Ranked lessons with the experiments behind them; with --model also a short answer that cites them."""
    from agents.errors import ModelError
    from agents.librarian import answer as write
    from agents.models import GENETIC, open_model
    from equilibrist.lessons import answer, answer_json
    from equilibrist.reading.laboratory import Laboratory

    if not question.strip():
        raise Usage("The question is empty. Ask e.g. 'does discounting help in Leduc?'.")
    only = filter_of(problem=problem, game=game, kind=kind, status=status, session=session, since=since)
    with library(home, embeddings, memory_url) as shelf:
        found = shelf.query(question, limit, only)
        known = shelf.related([item.lesson for item in found])
    written = None
    if model and model != GENETIC:
        try:
            written = write(
                open_model(model, "librarian", 0, 1000), question, [item.lesson for item in found]
            )
        except ModelError as error:
            raise Failed(str(error)) from None
    if as_json:
        emit(answer_json(Laboratory(home), question, found, written))
    else:
        answer(Console(highlight=False), Laboratory(home), found, known, written)


@app.command("list")
def list_lessons(
    problem: ProblemName = "",
    game: Game = "",
    kind: Kind = "",
    status: Status = "",
    session: Session = "",
    since: Since = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Every lesson, newest first; retired ones only with --status retired."""
    from equilibrist.lessons import line

    only = filter_of(problem=problem, game=game, kind=kind, status=status, session=session, since=since)
    with library(home) as shelf:
        chosen = [lesson for lesson in shelf.lessons().values() if only.admits(lesson)]
    chosen.sort(key=lambda lesson: lesson.created, reverse=True)
    if as_json:
        emit([lesson.model_dump(mode="json") for lesson in chosen])
        return
    with paged(Console(highlight=False)) as console:
        for lesson in chosen:
            console.print(line(lesson), soft_wrap=True)
        if not chosen:
            console.print("No such lesson. A session writes lessons: equilibrist run regret")


@app.command()
def show(lesson: LessonId, home: Home = HOME, as_json: Json = False) -> None:
    """One lesson with all of its evidence and what happened to it, and why."""
    from equilibrist.lessons import evidence, history, history_json, page
    from equilibrist.reading.laboratory import Laboratory

    with library(home) as shelf:
        known = shelf.lessons()
        chosen = known[_full_id(known, lesson)]
        events = shelf.history(chosen.id)
    if as_json:
        more = {"evidence": evidence(Laboratory(home), chosen), "history": history_json(events)}
        emit({**chosen.model_dump(mode="json"), **more})
    else:
        console = Console(highlight=False)
        page(console, Laboratory(home), chosen, known)
        history(console, events)


@app.command()
def add(
    text: Annotated[str, typer.Argument(help="The lesson, in a sentence.")],
    problem: Annotated[str, typer.Option(help="What it is about.")] = "regret",
    kind: Annotated[str, typer.Option(help="insight, success, failure or open_question.")] = "insight",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Add a lesson of your own; it waits in quarantine until experiments agree."""
    from pydantic import ValidationError

    from memory.records import LessonDraft

    try:
        draft = LessonDraft.model_validate({"text": text, "kind": kind})
    except ValidationError:
        raise Usage(f"'{kind}' is no kind of lesson: insight, success, failure or open_question.") from None
    if not text.strip():
        raise Usage("A lesson needs a text.")
    with library(home) as shelf:
        name = shelf.add(problem, draft)
        shelf.sync()
    emit({"id": name}) if as_json else Console().print(f"Added lesson {name}, in quarantine.")


@app.command()
def forget(
    lesson: LessonId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "forgotten by hand",
    home: Home = HOME,
) -> None:
    """Take a lesson out of recall. It stays in the journals, with the reason."""
    with library(home) as shelf:
        name = _full_id(shelf.lessons(), lesson)
        shelf.retire(name, reason)
        shelf.sync()
    Console().print(f"Lesson {name} is retired: {reason}", markup=False)


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="JSONL file; standard output if left out.")] = None,
    home: Home = HOME,
) -> None:
    """Write every lesson as one line of JSON."""
    with library(home) as shelf:
        rows = (f"{row}\n" for row in shelf.export())
        if file is None:
            sys.stdout.writelines(rows)
            return
        try:
            with file.open("w", encoding="utf-8") as out:
                out.writelines(rows)
        except OSError as error:
            raise Failed(f"{file} cannot be written: {error.strerror or error}.") from None


@app.command("import")
def import_lessons(
    file: Annotated[Path, typer.Argument(help="JSONL file that another laboratory exported.")],
    home: Home = HOME,
) -> None:
    """Take in another laboratory's lessons; they start in quarantine."""
    try:
        with library(home) as shelf, file.open(encoding="utf-8") as lines:
            count = shelf.import_lines(_capped(lines))
            shelf.sync()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read: {error}. Nothing was imported.") from None
    except ValueError as error:
        raise Usage(f"{file}: {error}. Nothing was imported.") from None
    Console().print(f"{count} new lessons, in quarantine.")


def _capped(lines: TextIO) -> Iterator[str]:
    """The file's lines, none read further than an import allows."""
    from memory.library import LINE_LIMIT

    while line := lines.readline(LINE_LIMIT + 1):
        yield line


@app.command()
def pull(memory_url: MemoryUrl = None, embeddings: Embeddings = "", home: Home = HOME) -> None:
    """Exchange lessons with a team's Chroma server: give ours, take in theirs, which start in quarantine."""
    if not memory_url:
        raise Usage("Name the server: --memory-url http://host:port, or EQUILIBRIST_MEMORY_URL.")
    with library(home, embeddings, memory_url) as shelf:
        shelf.sync()
        count = shelf.pull()
        shelf.sync()
    Console().print(f"{count} new lessons from {memory_url}, in quarantine.", markup=False)


@app.command()
def tidy(home: Home = HOME, as_json: Json = False) -> None:
    """Merge near-duplicates, draw principles from several lessons, retire what is superseded or useless."""
    from equilibrist.lessons import line

    with library(home) as shelf:
        done = shelf.tidy()
        shelf.sync()
        known = shelf.lessons()
    if as_json:
        emit(done.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    for name in done.principles:
        console.print(line(known[name]), soft_wrap=True)
    console.print(
        f"{len(done.merged)} merged, {len(done.principles)} principles drawn, {len(done.retired)} retired."
    )


@app.command()
def rebuild(embeddings: Embeddings = "", home: Home = HOME) -> None:
    """Make the search index anew from the journals, which are the truth."""
    with library(home, embeddings) as shelf:
        try:
            shelf.rebuild()
        except BlockingIOError:
            raise Failed(
                "Another process is using the index. Try again when its session has ended."
            ) from None
        Console().print(f"The index holds {len(shelf.lessons())} lessons.")


@app.command()
def lift(problem: ProblemName = "", home: Home = HOME, as_json: Json = False) -> None:
    """What memory is worth: proposals made with it beside those that, by lot, were made without."""
    from equilibrist.memory_lift import summary, table, trials

    report = summary(trials(open_home(home), problem))
    if as_json:
        emit(report)
        return
    console = Console(highlight=False)
    counts = report["experiments"]
    if not counts["with_memory"] or not counts["without"]:
        console.print(
            "Nothing to compare yet. Sessions leave a share of their experiments without memory "
            "(run --without-memory); 'equilibrist memory trial' is the experiment that needs none of yours."
        )
        return
    console.print(table(report))
    console.print(
        f"{report['sessions']} sessions, {counts['with_memory']} experiments with memory "
        f"({report['shown_lessons']} were shown lessons), {counts['without']} without."
    )


@app.command()
def trial(
    problem: Annotated[str, typer.Argument(help="What to research.")] = "regret",
    seeds: Annotated[int, typer.Option(min=2, help="Sessions without and with memory, each.")] = 10,
    first_seed: Annotated[int, typer.Option(help="The seeds are this one and those that follow.")] = 1,
    experiments: Annotated[int, typer.Option(min=1, help="Experiments of each session.")] = 20,
    games: Annotated[str, typer.Option(help="Train games, separated by commas; all if empty.")] = "",
    into: Annotated[Path | None, typer.Option(help="Folder; HOME/trials/memory if left out.")] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """The experiment: does a session with an earlier one's memory reach its best score sooner than one
    without? With the embedded researcher, in this process; an interrupted trial goes on where it stopped."""
    from equilibrist.config import Config
    from equilibrist.evaluate import find_problem
    from equilibrist.trial import render, report_json, run_trial

    found = find_problem(problem)
    chosen = tuple(name.strip() for name in games.split(",") if name.strip())
    unknown = [name for name in chosen if name not in found.walls["train"]]
    if unknown:
        raise Usage(f"'{unknown[0]}' is no train game of {problem}: {', '.join(found.walls['train'])}.")
    home = open_home(home)
    config = Config(problem=problem, experiments=experiments, games=chosen, parallel=1)
    span = range(first_seed, first_seed + seeds)
    console = Console(stderr=True, highlight=False)
    report = run_trial(into or home / "trials" / "memory", config, span, home, console.print)
    if as_json:
        emit(report_json(report))
    else:
        Console(highlight=False).print(render(report))


def _full_id(known: Iterable[str], start: str) -> str:
    names = [name for name in known if name.startswith(start)]
    if len(names) != 1:
        fault = "more than one lesson" if names else "no lesson"
        raise Usage(f"'{start}' names {fault}. List them with: equilibrist memory list")
    return names[0]
