"""Looking at what happened: in the browser, as a report, in other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import HOME, Home, Json, SessionName, emit
from equilibrist.terminal import reading_console

app = typer.Typer()


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8181,
    host: Annotated[
        str, typer.Option(help="Another address to listen on; it then leaves this machine.")
    ] = "127.0.0.1",
    home: Home = HOME,
) -> None:
    """The sessions and the memory of a home folder in the browser, live while a session runs."""
    from equilibrist.web.server import serve as answer

    console = Console(highlight=False)
    answer(home, host, port, lambda line: console.print(line, markup=False, soft_wrap=True))


@app.command()
def report(
    session: SessionName = "last",
    out: Annotated[
        Path | None, typer.Option(help="A folder; report-SESSION in this one if left out.")
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A session as one self-contained HTML file, and as Markdown with figures."""
    from equilibrist.home import find_session
    from equilibrist.report.write import report as write

    name = find_session(home, session).name
    page, plain = write(home, name, out or Path(f"report-{name}"))
    if as_json:
        emit({"session": name, "html": str(page), "markdown": str(plain)})
    else:
        Console(highlight=False).print(f"{page}\n{plain}", markup=False, soft_wrap=True)


@app.command()
def convert(
    session: SessionName,
    to: Annotated[str, typer.Argument(help="openai, inspect, tensorboard, mlflow or otel.")],
    out: Annotated[
        Path | None, typer.Option(help="A file or folder; named after the session if left out.")
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """A session for other tools: transcripts, metrics, traces."""
    from equilibrist.exports import convert as write
    from equilibrist.home import find_session
    from equilibrist.reading.view import SessionView

    view = SessionView(find_session(home, session))
    view.refresh()
    where = write(view, to, out)
    if as_json:
        emit({"session": view.name, "format": to, "out": where})
    else:
        Console(highlight=False).print(where, markup=False, soft_wrap=True)


@app.command()
def sessions(home: Home = HOME, as_json: Json = False) -> None:
    """List the sessions in the home folder."""
    from equilibrist.session_list import session_rows, session_table

    rows = session_rows(home)
    if as_json:
        emit(rows)
    elif rows:
        reading_console().print(session_table(rows))
    else:
        Console().print("No session yet. Start one with: equilibrist run regret")


@app.command()
def transcript(
    session: SessionName = "last",
    agent: Annotated[str | None, typer.Option(help="Only this role: proposer, critic or analyst.")] = None,
    experiment: Annotated[int | None, typer.Option(help="Only this experiment.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only what matches this regular expression.")] = None,
    full: Annotated[bool, typer.Option(help="Print long messages whole.")] = False,
    follow: Annotated[
        bool, typer.Option(help="The latest messages, then what the session writes; Ctrl-C ends it.")
    ] = False,
    last: Annotated[
        int | None,
        typer.Option(min=0, help="Only so many, the latest; 10 with --follow.", show_default="all"),
    ] = None,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """What the agents said and did: every message and tool call, in order."""
    import re

    from equilibrist.errors import Usage
    from equilibrist.home import find_session
    from equilibrist.reading.lines import Lines
    from equilibrist.transcript import Filter
    from equilibrist.transcript import transcript as read

    try:
        pattern = re.compile(grep, re.IGNORECASE) if grep else None
    except re.error as error:
        raise Usage(f"'{grep}' is no regular expression: {error}.") from error
    read(
        Console(),
        Lines(find_session(home, session)),
        Filter(agent, experiment, pattern),
        full,
        follow,
        as_json,
        last,
    )
