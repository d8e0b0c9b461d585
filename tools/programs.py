"""Reading, comparing, checking and editing programs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

from memory.records import Result, program_id
from sandbox.job import Record
from tools import novelty
from tools.behaviour import behaves_like
from tools.desk import LONGEST, Desk, Program, Refusal, summary

KIN = 32
"""Programs compared closely to find the nearest."""
COMPARED = 1_000_000
"""Characters compared to find a passage that was misquoted: about a second's worth."""
OUTPUT_SHOWN = 2000
"""Characters of a program's own output that a role is shown."""

ProgramId = Annotated[
    str,
    "Id of a program (12 hex digits), name of a baseline, or an experiment that a lesson names as evidence.",
]
Source = Annotated[str, "Full source text of the program, or the id of a program."]
Limit = Annotated[int, "How many at most."]


class Edit(Record):
    search: str
    """Text that occurs exactly once in the program, white space included."""
    replace: str
    """What takes its place."""


def list_programs(desk: Desk, limit: Limit = 20) -> dict[str, Any]:
    """Evaluated programs, best score first, with scores per game."""
    limit = min(limit, len(desk.archive.entries))
    shown = list(islice(desk.archive.leaderboard, max(1, limit)))
    ranked = {entry.program_id for entry in shown}
    if len(shown) < limit:
        rest = (entry for entry in desk.archive.entries.values() if entry.program_id not in ranked)
        shown += islice(rest, limit - len(shown))
    return {"programs": [summary(entry) for entry in shown]}


def read_program(desk: Desk, program_id: ProgramId) -> dict[str, Any]:
    """A program's source, hypothesis and scores."""
    program = desk.find(program_id)
    later = {"improved_by": list(program.improved_by)} if program.improved_by else {}
    return {**summary(program), **later, "source": program.source}


def read_curves(desk: Desk, program_id: ProgramId) -> dict[str, Any]:
    """How a program did over the run, game by game: series of figures by name."""
    program, result = _evaluated(desk, program_id)
    return {"program_id": program.program_id, "curves": result.curves}


def read_result(desk: Desk, program_id: ProgramId) -> dict[str, Any]:
    """All that was measured of a program, with its error message and output if it failed."""
    program, result = _evaluated(desk, program_id)
    shown = result.model_dump(mode="json", exclude={"curves", "seconds", "sandbox"})
    return {"program_id": program.program_id, **shown, "output": _shortened(result.output)}


def compare_programs(desk: Desk, first_id: ProgramId, second_id: ProgramId) -> dict[str, Any]:
    """Two programs side by side: scores, differences (second minus first), similarity, and the diff."""
    first, second = desk.find(first_id), desk.find(second_id)
    one, other = summary(first), summary(second)
    both = [game for game in one["games"] if game in other["games"]]
    known = one["score"] is not None and other["score"] is not None
    return {
        "first": one,
        "second": other,
        "score_difference": other["score"] - one["score"] if known else None,
        "game_differences": {game: other["games"][game] - one["games"][game] for game in both},
        "similarity": round(novelty.similarity(first.source, second.source), 4),
        "diff": diff(first.source, second.source, first.program_id, second.program_id),
    }


def nearest_programs(desk: Desk, source: Source, limit: Limit = 3) -> dict[str, Any]:
    """The evaluated programs whose structure is closest to this one, names and constants apart."""
    text = desk.source(source)
    limit = min(limit, len(desk.archive.entries))
    near = novelty.kin(desk.archive).near(text, max(KIN, limit + 1))
    others = (entry for entry in map(desk.archive.entries.get, near) if entry and entry.source != text)
    ranked = sorted(
        ((novelty.similarity(text, entry.source), entry) for entry in others), key=lambda pair: -pair[0]
    )
    return {
        "program_id": program_id(text),
        "nearest": [
            {
                "program_id": entry.program_id,
                "name": entry.name,
                "score": entry.result.score,
                "similarity": round(likeness, 4),
                "same_structure": novelty.same_structure(text, entry.source),
            }
            for likeness, entry in ranked[: max(1, limit)]
        ],
    }


def check_program(desk: Desk, source: Source) -> dict[str, Any]:
    """Static check against the problem's interface, and whether the program was evaluated before."""
    text = desk.source(source)
    return {
        "program_id": desk.draft(text),
        "faults": desk.problem.check(text),
        "duplicate_of": duplicate(desk, text),
    }


def smoke_run(desk: Desk, source: Source) -> dict[str, Any]:
    """Run a program in the sandbox on tiny games: does it run, and if not, why? Which evaluated program plays
    the same policies there? Gives no score."""
    text = desk.source(source)
    name = desk.draft(text)
    result = desk.smoke(text)
    return {
        "program_id": name,
        "status": result.status,
        "message": result.message,
        "output": _shortened(result.output),
        "behaves_like": behaves_like(desk.archive, desk.smoke, text, result),
    }


def edit_program(
    desk: Desk,
    program_id: ProgramId,
    edits: Annotated[list[Edit], "Applied in order; each `search` occurs exactly once in the text."],
) -> dict[str, Any]:
    """A new program by search and replace in an existing one. Submit it by the id that comes back."""
    text = edited(desk.find(program_id).source, edits)
    return {"program_id": desk.draft(text), "source": text, "faults": desk.problem.check(text)}


def edited(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits applied. Raises Refusal."""
    if not edits:
        raise Refusal("There is no edit. Give at least one {search, replace}.")
    for number, edit in enumerate(edits, start=1):
        text = _applied(text, edit, number)
    if len(text) > LONGEST:
        raise Refusal(f"The program then has {len(text)} characters; {LONGEST} is far too long for any rule.")
    return text


def duplicate(desk: Desk, source: str) -> str | None:
    """Id of an evaluated program that is the same but for names, layout and comments."""
    entries = desk.archive.entries
    if program_id(source) in entries:
        return program_id(source)
    twin = novelty.kin(desk.archive).twin(source)
    return twin if twin in entries else None


@lru_cache(maxsize=16)  # critic and analyst are shown the same
def diff(first: str, second: str, first_name: str, second_name: str) -> str:
    """Unified diff of two sources."""
    lines = difflib.unified_diff(
        first.splitlines(), second.splitlines(), first_name, second_name, lineterm="", n=2
    )
    return "\n".join(lines)


def _applied(text: str, edit: Edit, number: int) -> str:
    count = text.count(edit.search) if edit.search else 0
    if count == 1:
        return text.replace(edit.search, edit.replace)
    if not edit.search:
        raise Refusal(f"Edit {number}: `search` is empty. Quote the text that is to be replaced.")
    if count > 1:
        places = [str(text.count("\n", 0, place) + 1) for place in _places(text, edit.search)]
        raise Refusal(
            f"Edit {number}: `search` occurs {count} times (lines {', '.join(places)}). Quote more of the "
            "lines around the place you mean."
        )
    raise Refusal(f"Edit {number}: `search` does not occur in the program. {_closest(text, edit.search)}")


def _places(text: str, part: str) -> list[int]:
    places, start = [], text.find(part)
    while start >= 0:
        places.append(start)
        start = text.find(part, start + len(part))
    return places


def _closest(text: str, part: str) -> str:
    """Where the text comes closest to what was searched for, for an author who misquoted it."""
    lines = text.splitlines()
    wanted = part.strip("\n").splitlines() or [part]
    windows = ["\n".join(lines[i : i + len(wanted)]) for i in range(max(1, len(lines) - len(wanted) + 1))]
    near = windows if len(part) * len(windows) <= COMPARED else []
    best = difflib.get_close_matches("\n".join(wanted), near, n=1, cutoff=0.5)
    if not best:
        return "Read the program again and quote it exactly."
    return f"The closest passage, line {windows.index(best[0]) + 1}, reads:\n{best[0]}"


def _evaluated(desk: Desk, name: str) -> tuple[Program, Result]:
    program = desk.find(name)
    if program.result is None:
        raise Refusal(
            f"Program {name} has not been evaluated: it is a draft of this experiment. Use smoke_run."
        )
    return program, program.result


def _shortened(text: str) -> str:
    if len(text) <= OUTPUT_SHOWN:
        return text
    half = OUTPUT_SHOWN // 2
    return f"{text[:half]}\n[... {len(text) - OUTPUT_SHOWN} characters left out ...]\n{text[-half:]}"
