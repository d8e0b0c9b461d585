"""Looking at what happened: in the browser, as a report, in other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import HOME, Home, Json, SessionName, emit

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
