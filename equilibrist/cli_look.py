"""Looking at what happened: in the browser, as a report, in other tools."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from equilibrist.options import HOME, Home

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
