"""A session that goes on from an experiment of another one, with other settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equilibrist.bring import restore, store
from equilibrist.config import Config, session_record
from equilibrist.errors import Usage
from equilibrist.home import find_session, new_session, open_home
from memory.archive import Archive
from memory.gathering import Snapshot, digest, gather
from memory.journal import Journal, scan
from memory.lessons import run_identity


def fork(home: Path, name: str, at: int, changes: dict[str, Any]) -> str:
    """A new session with the source's baselines, outcomes and first ``at`` experiments. Returns its name.

    Its memory is what the source began with, and what the source learnt up to experiment ``at``. Of the
    source's transcript it holds nothing: replies already paid for are not on the new session's bill.

    Raises:
        Usage: no such session or experiment, or the settings leave nothing to do.
    """
    home = open_home(home)
    source = Journal.view(find_session(home, name))
    known = [experiment.number for experiment in Archive.of(source).experiments]
    if at != 0 and at not in known:
        raise Usage(f"Session {source.folder.name} has no experiment {at}; it has {len(known)}.")
    given = {key: value for key, value in changes.items() if value is not None}
    config = Config.model_validate({**source.session["config"], **given})
    if config.experiments <= at:
        raise Usage(f"With --experiments {config.experiments} nothing is left to do after experiment {at}.")
    forked = {"session": source.folder.name, "at": at}
    run = run_identity(config.problem, config.seed, {**config.identity(), "forked": forked})
    memory = _memory(home, source, at).model_dump(mode="json")
    games = restore(source.folder, config.games)
    folder = new_session(home, config.problem)
    store(folder, games)
    begun_with = {"baselines": source.session["baselines"], "memory": memory, "forked": forked}
    with Journal.create(folder, session_record(config, run=run, **begun_with)) as journal:
        kept = [
            (event.kind, event.key, event.data)
            for event in source.events("baseline", "outcome", "experiment")
            if event.kind != "experiment" or event.data["number"] <= at
        ]
        journal.extend(kept)
        for kind, _, data in kept:
            program = data if kind == "baseline" else data.get("proposal")
            if kind != "outcome" and program:
                journal.save_program(program["source"])
    return folder.name


def _memory(home: Path, source: Journal, at: int) -> Snapshot:
    """Memory as it was for the source after experiment ``at``."""
    before = Snapshot.model_validate(source.session["memory"])
    reached = source.find("experiment", str(at))
    limit = reached.n if reached else 0
    last = max((event.n for event in scan(source.folder, "lesson_", limit)), default=0)
    own = {str(source.folder.relative_to(home)): last} if last else {}
    journals = {**before.journals, **own}
    events = gather(home, journals)
    count = sum(event.kind == "lesson_added" for event in events)
    return Snapshot(journals=journals, digest=digest(events), lessons=count)
