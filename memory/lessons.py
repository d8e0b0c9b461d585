"""The life of a lesson, as pure functions from events to what is known.

Events (kind: data). Every lesson event of a session carries ``number``, its experiment's.

* ``lesson_added``: id, text, kind, problem, games, observation, session, evidence (None when a person
  wrote it or it was imported), against, sources, claims
* ``lesson_supported``, ``lesson_contradicted``: id, evidence, reason; ``by``: the opposing lesson's id
* ``lesson_merged``: id, into, reason: what is said of ``id`` from then on counts for ``into`` as well
* ``lesson_retired``: id, reason. Adding the same text again later brings it back
* ``lesson_credited``: lessons (ids shown to a scored proposal), run, improved, difference

Their order matters for one thing only, whether a lesson was retired before or after it was added again, so
the events of many journals can be put together in order of time.
"""

from __future__ import annotations

import json
import re
import statistics
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from memory.events import Event
from memory.records import Lesson, LessonDraft, LessonStatus
from sandbox.job import Record

TEXT_LIMIT = 1000
OBSERVATION_LIMIT = 2000

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_HIDDEN = ("Cc", "Cf", "Cs", "Co")
_JOINERS = "\n\t\u200c\u200d"
"""Kept: line ends, tabs, and the two joiners that Persian and Indic scripts need."""
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_NAME = re.compile(r"\b(?:[A-Z][A-Z0-9_+]+|\w+_\w+|[a-z]+[A-Z]\w*|[A-Za-z]+\d\w*)\b\+?")
_OPPOSITES = (
    ("improv|help|better|faster|speed|gain|benefi|good|wins?\\b|boost",
     "worse|hurt|harm|slow|fail|degrad|lose|loss|bad\\b|useless|damag"),
    ("increas|rais|larger|more\\b|higher|bigger|add",
     "decreas|lower|smaller|less\\b|reduc|remov|without|fewer"),
    ("always|all\\b", "never|no\\b|not\\b|n't|none|neither|cannot"),
    ("early|earlier|first|begin|start", "late\\b|later|last\\b|end\\b|final"),
)  # fmt: skip
_SIDES = tuple((re.compile(rf"\b(?:{a})"), re.compile(rf"\b(?:{b})")) for a, b in _OPPOSITES)


class Evidence(Record):
    """One experiment that speaks for or against a lesson."""

    experiment: str
    """``session/number``."""
    program_id: str
    run: str
    """Identity of the run (problem, seed, configuration): a rerun of it gives no new evidence."""
    effect: float | None = None
    observation: str = ""


def run_identity(problem: str, seed: int, configuration: Mapping[str, Any]) -> str:
    """The same for a session and its rerun."""
    return _digest([problem, seed, configuration])


def lesson_id(problem: str, kind: str, text: str) -> str:
    """Hash of what is said, whoever says it: 12 hex digits."""
    return _digest([problem, kind, " ".join(text.casefold().split())])


def clean(text: str, limit: int) -> str:
    """Text as data: no control characters or terminal escapes, no invisible ones, and not too long."""
    visible = "".join(
        c for c in _ESCAPE.sub("", text) if c in _JOINERS or unicodedata.category(c) not in _HIDDEN
    )
    short = re.sub(r"\n{3,}", "\n\n", visible).strip()
    return short if len(short) <= limit else short[: limit - 1].rstrip() + "…"


def cleaned(draft: LessonDraft) -> LessonDraft:
    return draft.model_copy(
        update={
            "text": clean(draft.text, TEXT_LIMIT),
            "observation": clean(draft.observation, OBSERVATION_LIMIT),
            "games": tuple(clean(game, 200) for game in draft.games[:50]),
        }
    )


def added(problem: str, draft: LessonDraft, evidence: Evidence | None, **more: Any) -> dict[str, Any]:
    """Data of a ``lesson_added`` event."""
    return {
        "id": lesson_id(problem, draft.kind, draft.text),
        "problem": problem,
        **draft.model_dump(mode="json", include={"text", "kind", "games", "observation", "sources"}),
        "evidence": evidence.model_dump(mode="json") if evidence else None,
        **more,
    }


def relation(lesson: Lesson, draft: LessonDraft) -> Literal["same", "opposite", "other"]:
    """What a draft with nearly the same wording says about a lesson.

    Sentence embeddings put "helps" beside "hurts" and 1.5 beside 2.5, so closeness alone proves nothing:
    the numbers and the names of things must agree, and no word may be on the other side. An effect of the
    other sign, or a failure where the lesson tells a success, makes it the opposite.
    """
    if _things(lesson.text) != _things(draft.text):
        return "other"
    kinds = {lesson.kind, draft.kind}
    if (lesson.effect or 0.0) * (draft.effect or 0.0) < 0 or kinds == {"success", "failure"}:
        return "opposite"
    turned = _sides(lesson.text) != _sides(draft.text)
    return "other" if turned or len(kinds) > 1 else "same"


def fold(events: Iterable[Event]) -> dict[str, Lesson]:
    """What is known of every lesson, by id, in order of first mention."""
    grouped = group(events)
    lessons = (live(name, grouped[name]) for name in grouped)
    return {lesson.id: lesson for lesson in lessons if lesson is not None}


def group(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Events by the lesson they concern. Those of a merged lesson also count for the one it went into,
    and what speaks for or against a lesson also for the principles drawn from it."""
    events = list(events)
    into = {e.data["id"]: e.data["into"] for e in events if e.kind == "lesson_merged"}
    principles: dict[str, set[str]] = {}
    for event in events:
        for source in event.data["sources"] if event.kind == "lesson_added" else ():
            principles.setdefault(source, set()).add(event.data["id"])
    grouped: dict[str, list[Event]] = {}
    for event in events:
        names = event.data["lessons"] if event.kind == "lesson_credited" else [event.data["id"]]
        concerned = dict.fromkeys(heir for name in names for heir in _heirs(name, into))
        if event.kind != "lesson_credited":
            concerned |= dict.fromkeys(
                p for name in tuple(concerned) for p in sorted(principles.get(name, ()))
            )
        for name in concerned:
            grouped.setdefault(name, []).append(event)
    return grouped


def _heirs(name: str, into: Mapping[str, str]) -> list[str]:
    line: list[str] = []
    while name and name not in line:
        line.append(name)
        name = into.get(name, "")
    return line


def live(name: str, events: Sequence[Event]) -> Lesson | None:
    """One lesson from its events in order of time; None if none of them adds it."""
    births = [e for e in events if e.kind == "lesson_added" and e.data["id"] == name]
    if not births:
        return None
    first = births[0].data
    speaking = [e for e in events if e.kind in ("lesson_added", "lesson_supported")]
    agreeing = independent(e.data["evidence"] for e in speaking)
    opposing = independent(e.data["evidence"] for e in events if e.kind == "lesson_contradicted")
    effects = [evidence.effect for evidence in agreeing if evidence.effect is not None]
    status, reason = _status(name, events, len(agreeing), len(opposing))
    shown = {
        (e.data["run"], e.data["number"]): e.data["improved"] for e in events if e.kind == "lesson_credited"
    }
    return Lesson(
        **{
            field: first[field]
            for field in ("id", "text", "kind", "problem", "games", "observation", "sources")
        },
        status=status,
        reason=reason,
        effect=statistics.fmean(effects) if effects else None,
        spread=statistics.stdev(effects) if len(effects) > 1 else None,
        supported_by=tuple(evidence.experiment for evidence in agreeing),
        contradicted_by=tuple(evidence.experiment for evidence in opposing),
        against=_against(name, events),
        shown=len(shown),
        helped=sum(shown.values()),
        session=first["session"],
        created=births[0].time,
    )


def independent(evidence: Iterable[dict[str, Any] | None]) -> list[Evidence]:
    """Leave out what repeats: the same program measured again, the same experiment of a rerun."""
    kept: list[Evidence] = []
    seen: set[tuple[str, str]] = set()
    for data in evidence:
        if data is None:
            continue
        piece = Evidence.model_validate(data)
        marks = {("program", piece.program_id), (piece.run, piece.experiment.rpartition("/")[2])}
        if not marks & seen:
            kept.append(piece)
        seen |= marks
    return kept


def _status(name: str, events: Sequence[Event], agree: int, oppose: int) -> tuple[LessonStatus, str]:
    """Two independent experiments support a lesson; as many against as for it make it contradicted."""
    for event in reversed(events):
        if event.kind == "lesson_added" and event.data["id"] == name:
            break
        if event.kind == "lesson_retired" and event.data["id"] == name:
            return "retired", event.data["reason"]
        if event.kind == "lesson_merged" and event.data["id"] == name:
            return "retired", f"merged into {event.data['into']}: {event.data['reason']}"
    if oppose and oppose >= agree:
        return "contradicted", f"{oppose} against, {agree} for"
    if agree >= 2:
        return "supported", f"{agree} independent experiments agree" + (
            f", {oppose} against" if oppose else ""
        )
    return "quarantined", "no experiment behind it yet" if agree == 0 else "one experiment so far"


def _against(name: str, events: Sequence[Event]) -> tuple[str, ...]:
    found = [e.data.get("by") for e in events if e.kind == "lesson_contradicted"]
    found += [other for e in events if e.kind == "lesson_added" for other in e.data.get("against", ())]
    return tuple(dict.fromkeys(other for other in found if other and other != name))


def _things(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text)) | frozenset(name.casefold() for name in _NAME.findall(text))


def _sides(text: str) -> tuple[tuple[bool, bool], ...]:
    lower = text.casefold()
    return tuple((bool(a.search(lower)), bool(b.search(lower))) for a, b in _SIDES)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
