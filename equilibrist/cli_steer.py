"""A person's part in a session: remarks, programs, approval, pause. All of it from any terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from equilibrist.errors import Usage
from equilibrist.options import HOME, Home, Json, SessionName, emit

app = typer.Typer()


@app.command()
def steer(
    session: SessionName,
    remark: Annotated[str, typer.Argument(help='An idea or a veto, e.g. "try optimism in the average".')],
    until: Annotated[
        int | None,
        typer.Option("--for", min=1, help="Only for so many experiments; for all that follow if left out."),
    ] = None,
    home: Home = HOME,
) -> None:
    """Tell the proposer and the critic something, from the next experiment on. It is journaled."""
    from equilibrist.steer import leave

    if not remark.strip():
        raise Usage("The remark is empty.")
    leave(_folder(home, session), "steer", {"text": remark.strip(), "until": until})
    Console().print("The next experiment will hear of it.")


@app.command()
def propose(
    session: SessionName,
    file: Annotated[Path, typer.Argument(help="A program, e.g. an edited copy of programs/<id>.py.")],
    hypothesis: Annotated[str, typer.Argument(help="What the change should do, and what would refute it.")],
    parent: Annotated[
        str, typer.Option(help="Id or name of the program it comes from; the most similar one if left out.")
    ] = "",
    home: Home = HOME,
) -> None:
    """Hand in a program of your own: it becomes the next experiment, evaluated and analysed like others."""
    from equilibrist.evaluate import find_problem
    from equilibrist.steer import leave, proposal
    from memory.archive import Archive
    from memory.journal import Journal

    folder = _folder(home, session)
    journal = Journal.view(folder)
    try:
        source = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read: {error}") from None
    faults = find_problem(journal.session["problem"]).check(source)
    if faults:
        raise Usage(f"{file} fails the static check: " + " ".join(faults))
    made = proposal(Archive.of(journal), source, hypothesis, parent)
    leave(folder, "program", made.model_dump(mode="json"))
    Console().print(f"Program {made.program_id}, from {made.parent_id}, will be the next experiment.")


@app.command()
def pause(session: SessionName = "last", home: Home = HOME) -> None:
    """End a running session as soon as what is in flight is done; ``resume`` goes on."""
    from equilibrist.steer import pause as ask
    from memory.files import is_held

    folder = _folder(home, session)
    if not is_held(folder / "lock"):
        raise Usage(f"Session {folder.name} is not running.")
    ask(folder)
    Console().print(f"{folder.name} will pause. Go on with: equilibrist resume {folder.name}")


@app.command()
def approve(
    session: SessionName = "last",
    program: Annotated[str, typer.Option(help="Decide on this program, without being asked.")] = "",
    reject: Annotated[str, typer.Option(help="Reject it, for this reason.")] = "",
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Look at the programs that wait for a person (``run --approve``), and decide on each."""
    from equilibrist.steer import leave, waiting
    from memory.journal import Journal

    folder = _folder(home, session)
    journal = Journal.view(folder)
    found = waiting(journal)
    if as_json:
        emit(list(found.values()))
        return
    if program:
        chosen = [key for key, data in found.items() if data["proposal"]["program_id"] == program]
        if not chosen:
            raise Usage(f"No program {program} waits in {folder.name}.")
        leave(folder, "approval", _decision(chosen[0], reject))
        return
    if not found:
        Console().print("Nothing waits for approval.")
    for key, data in found.items():
        _show(journal, data)
        answer = typer.prompt("Evaluate it? [y] yes, [n] no, [s] decide later", default="y")
        if answer.lower() == "s":
            continue
        reason = "" if answer.lower().startswith("y") else typer.prompt("Why not?")
        leave(folder, "approval", _decision(key, reason))


def _decision(key: str, reason: str) -> dict[str, Any]:
    decision = "reject" if reason else "approve"
    return {"key": key, "decision": decision, "reasons": reason or "Approved by a person."}


def _show(journal: Any, data: dict[str, Any]) -> None:
    from rich.syntax import Syntax

    from equilibrist.render import safe
    from memory.archive import Archive
    from tools.programs import diff

    console, made = Console(), data["proposal"]
    parent = Archive.of(journal).entries.get(made["parent_id"])
    head = f"\nExperiment {data['number']}, program {made['program_id']}: {made['hypothesis']}"
    console.print(safe(head), markup=False)
    if parent is None:
        console.print(Syntax(safe(made["source"]), "python", background_color="default"))
    else:
        change = diff(parent.source, made["source"], parent.name, made["program_id"])
        console.print(Syntax(safe(change), "diff", background_color="default"))


def _folder(home: Path, session: str) -> Path:
    from equilibrist.home import find_session

    return find_session(home, session)
