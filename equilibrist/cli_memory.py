"""``equilibrist memory``: what was learnt over all sessions, with its evidence."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from equilibrist.errors import Failed, Usage
from equilibrist.home import open_home
from equilibrist.options import HOME, Home, Json, emit

if TYPE_CHECKING:
    from memory.library import Library

app = typer.Typer(help="What was learnt, over all sessions.", no_args_is_help=True)

LessonId = Annotated[str, typer.Argument(help="A lesson's id, or the start of it.")]
ProblemName = Annotated[str, typer.Option(help="Only lessons about this problem.")]


@contextmanager
def library(home: Path) -> Iterator[Library]:
    """The home's library of lessons."""
    from memory.embedder import Cached, local_embedder
    from memory.library import Library

    home = open_home(home)
    with Library(home, Cached(local_embedder(), home / "memory" / "vectors")) as opened:
        yield opened


@app.command()
def query(
    question: Annotated[str, typer.Argument(help='E.g. "does discounting help in Leduc?"')],
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many lessons.")] = 6,
    problem: ProblemName = "",
    game: Annotated[str, typer.Option(help="Only lessons that name this game.")] = "",
    status: Annotated[str, typer.Option(help="quarantined, supported, contradicted or retired.")] = "",
    session: Annotated[str, typer.Option(help="Only lessons that this session added.")] = "",
    since: Annotated[str, typer.Option(help="ISO date: only lessons since then.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Ranked lessons with the experiments behind them."""
    from equilibrist.lessons import answer, answer_json
    from memory.library import Filter

    only = Filter(problem=problem, status=status, session=session, since=since, games=(game,) if game else ())
    with library(home) as shelf:
        found = shelf.query(question, limit, only)
        if as_json:
            emit(answer_json(home, question, found))
        else:
            answer(Console(), home, question, found, shelf.lessons())


@app.command("list")
def list_lessons(problem: ProblemName = "", home: Home = HOME, as_json: Json = False) -> None:
    """Every lesson, newest first."""
    from equilibrist.lessons import line

    with library(home) as shelf:
        chosen = [x for x in shelf.lessons().values() if not problem or x.problem == problem]
    chosen.sort(key=lambda lesson: lesson.created, reverse=True)
    if as_json:
        emit([lesson.model_dump(mode="json") for lesson in chosen])
        return
    console = Console(highlight=False)
    for lesson in chosen:
        console.print(line(lesson))
    if not chosen:
        console.print("No lesson yet. A session writes them: equilibrist run regret")


@app.command()
def show(lesson: LessonId, home: Home = HOME, as_json: Json = False) -> None:
    """One lesson with all of its evidence."""
    from equilibrist.lessons import evidence, page

    with library(home) as shelf:
        known = shelf.lessons()
    chosen = known[_full_id(known, lesson)]
    if as_json:
        emit({**chosen.model_dump(mode="json"), "evidence": evidence(home, chosen)})
    else:
        page(Console(highlight=False), home, chosen)


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
        text = "".join(f"{row}\n" for row in shelf.export())
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text)
    except OSError as error:
        raise Failed(f"{file} cannot be written: {error.strerror or error}.") from None


@app.command("import")
def import_lessons(
    file: Annotated[Path, typer.Argument(help="JSONL file that another laboratory exported.")],
    home: Home = HOME,
) -> None:
    """Take in another laboratory's lessons; they start in quarantine."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read: {error}") from None
    with library(home) as shelf:
        try:
            count = shelf.import_lines(lines)
        except ValueError as error:
            raise Usage(f"{file}: {error}. Nothing was imported.") from None
        shelf.sync()
    Console().print(f"{count} new lessons, in quarantine.")


@app.command()
def rebuild(home: Home = HOME) -> None:
    """Make the search index anew from the journals, which are the truth."""
    with library(home) as shelf:
        try:
            shelf.rebuild()
        except BlockingIOError:
            raise Failed(
                "Another process is using the index. Try again when its session has ended."
            ) from None
        Console().print(f"The index holds {len(shelf.lessons())} lessons.")


def _full_id(known: Iterable[str], start: str) -> str:
    names = [name for name in known if name.startswith(start)]
    if len(names) != 1:
        fault = "more than one lesson" if names else "no lesson"
        raise Usage(f"'{start}' names {fault}. List them with: equilibrist memory list")
    return names[0]
