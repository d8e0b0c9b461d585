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
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

from memory.events import Event
from memory.languages import NEGATIONS
from memory.records import Lesson, LessonDraft, LessonStatus
from sandbox.job import Record

NEAR = 0.9
"""Cosine from which two wordings may be one lesson, with MiniLM. Of 12 rewordings written for the purpose
3 lie above (their median is 0.82), but so do 6 of 15 pairs that differ in one decisive word, which is why
``relation`` looks at the words. A missed duplicate costs a line in a list, a false one corrupts what is
known, so the bound is high."""
TEXT_LIMIT = 1000
OBSERVATION_LIMIT = 2000

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_HIDDEN = ("Cc", "Cf", "Cs", "Co")
_JOINERS = "\n\t\u200c\u200d"
"""Kept: line ends, tabs, and the two joiners that Persian and Indic scripts need."""
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_NAME = re.compile(r"\b(?:[A-Z][A-Z0-9_+]+|\w+_\w+|[a-z]+[A-Z]\w*|[A-Za-z]+\d\w*)\b\+?")
_GOOD = re.compile(
    r"(improv|help|better|best|fast|speed|gain|benefi|good|win|won|boost|beat|accelerat|success)\w*$"
)
_BAD = re.compile(r"(wors|hurt|harm|slow|fail|degrad|lose|loss|lost|bad|useless|damag|diverg|hinder)\w*$")
_NEGATION = frozenset("no not never none neither nor without cannot only t unless except".split()) | NEGATIONS
_EMPTY = frozenset(
    "a an the this that it its of in on at to by for from with and or as is are was were be been than then "
    "when while if so very much more most use used using uses make makes made do does did can will would "
    "score scores result results change changes changed changing value values".split()
)


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
        c
        for c in _ESCAPE.sub("", text[: 10 * limit])
        if c in _JOINERS or unicodedata.category(c) not in _HIDDEN
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
    """What a draft whose vector is near a lesson's says about it.

    Sentence embeddings put "helps" beside "hurts" and 1.5 beside 2.5, so nearness alone proves nothing: the
    numbers, the names and the negations must be equal, and of the remaining words one side must hold
    all of the other's. Then a failure where the lesson tells a success, an effect of the other sign or a
    "slower" for a "faster" makes it the opposite.
    """
    first, second = _content(lesson.text), _content(draft.text)
    if _exact(lesson.text) != _exact(draft.text) or not (first <= second or second <= first):
        return "other"
    kinds = {lesson.kind, draft.kind}
    turned = _direction(lesson.text) * _direction(draft.text) < 0
    if turned or (lesson.effect or 0.0) * (draft.effect or 0.0) < 0 or kinds == {"success", "failure"}:
        return "opposite"
    return "same" if len(kinds) == 1 else "other"


def fold(events: Iterable[Event]) -> dict[str, Lesson]:
    """What is known of every lesson, by id, in order of first mention."""
    grouped = group(list(events))
    lessons = (live(name, grouped[name]) for name in grouped)
    return {lesson.id: lesson for lesson in lessons if lesson is not None}


class Links:
    """Which lessons an event concerns: those it names; the one that a merged lesson went into; and, when it
    speaks for or against a lesson, the principles drawn from that."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._into: dict[str, str] = {}
        self._principles: dict[str, list[str]] = {}
        for event in events:
            if event.kind == "lesson_merged":
                self._into[event.data["id"]] = event.data["into"]
            for source in event.data["sources"] if event.kind == "lesson_added" else ():
                self._principles.setdefault(source, []).append(event.data["id"])

    def concerned(self, event: Event) -> list[str]:
        credit = event.kind == "lesson_credited"
        found: dict[str, None] = {}
        for name in event.data["lessons"] if credit else [event.data["id"]]:
            while name and name not in found:
                found[name] = None
                name = self._into.get(name, "")
        if not credit:
            found |= dict.fromkeys(p for name in tuple(found) for p in self._principles.get(name, ()))
        return list(found)


def group(events: Sequence[Event], links: Links | None = None) -> dict[str, list[Event]]:
    """Events by the lesson they concern, in their order."""
    links = links or Links(events)
    grouped: dict[str, list[Event]] = {}
    for event in events:
        for name in links.concerned(event):
            grouped.setdefault(name, []).append(event)
    return grouped


def live(name: str, events: Iterable[Event]) -> Lesson | None:
    """One lesson from its events in order of time; None if none of them adds it."""
    life = Life(name)
    for event in events:
        life.add(event)
    return life.lesson()


class Life:
    """A lesson in the making: fed with its events in order of time, so that one more costs no look back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._birth: Event | None = None
        self._for, self._against = _Side(), _Side()
        self._opponents: dict[str, None] = {}
        """Lessons that say the opposite and were found later; then those named at a birth."""
        self._named: dict[str, None] = {}
        self._shown: dict[tuple[str, int], bool] = {}
        self._helped = 0
        self._retired: str | None = None

    def add(self, event: Event) -> None:
        data, own = event.data, event.data.get("id") == self._name
        if event.kind == "lesson_added":
            self._birth = self._birth or (event if own else None)
            self._retired = None if own else self._retired
            self._named.update(dict.fromkeys(data.get("against", ())))
        if event.kind in ("lesson_added", "lesson_supported"):
            self._for.add(data["evidence"])
        elif event.kind == "lesson_contradicted":
            self._against.add(data["evidence"])
            self._opponents[data.get("by") or ""] = None
        elif event.kind == "lesson_retired" and own:
            self._retired = data["reason"]
        elif event.kind == "lesson_merged" and own:
            self._retired = f"merged into {data['into']}: {data['reason']}"
        elif event.kind == "lesson_credited":
            shown = (data["run"], data["number"])
            self._helped += data["improved"] - self._shown.get(shown, False)
            self._shown[shown] = data["improved"]

    def lesson(self) -> Lesson | None:
        """As of now; None while nothing has added it."""
        if self._birth is None:
            return None
        first = self._birth.data
        status, reason = self._status()
        against = dict.fromkeys([*self._opponents, *self._named])
        return Lesson(
            **{
                field: first[field]
                for field in ("id", "text", "kind", "problem", "games", "observation", "sources")
            },
            status=status,
            reason=reason,
            effect=self._for.mean,
            spread=self._for.spread,
            supported_by=tuple(self._for.experiments),
            contradicted_by=tuple(self._against.experiments),
            against=tuple(other for other in against if other and other != self._name),
            shown=len(self._shown),
            helped=self._helped,
            session=first["session"],
            created=self._birth.time,
        )

    def _status(self) -> tuple[LessonStatus, str]:
        """Two independent experiments support a lesson; as many against as for it make it contradicted."""
        agree, oppose = len(self._for.experiments), len(self._against.experiments)
        if self._retired is not None:
            return "retired", self._retired
        if oppose and oppose >= agree:
            return "contradicted", f"{oppose} against, {agree} for"
        if agree >= 2:
            against = f", {oppose} against" if oppose else ""
            return "supported", f"{agree} independent experiments agree{against}"
        return "quarantined", "no experiment behind it yet" if agree == 0 else "one experiment so far"


class _Side:
    """The independent experiments on one side: what repeats is left out, be it the same program measured
    again or the same experiment of a rerun. Mean and spread are kept up as Welford (1962) does."""

    def __init__(self) -> None:
        self.experiments: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, data: dict[str, Any] | None) -> None:
        if data is None:
            return
        piece = Evidence.model_validate(data)
        marks = {("program", piece.program_id), (piece.run, piece.experiment.rpartition("/")[2])}
        if marks & self._seen:
            return
        self._seen |= marks
        self.experiments.append(piece.experiment)
        if piece.effect is not None:
            self._count += 1
            step = piece.effect - self._mean
            self._mean += step / self._count
            self._squares += step * (piece.effect - self._mean)

    @property
    def mean(self) -> float | None:
        return self._mean if self._count else None

    @property
    def spread(self) -> float | None:
        """Sample standard deviation."""
        return math.sqrt(self._squares / (self._count - 1)) if self._count > 1 else None


@lru_cache(maxsize=4096)
def _exact(text: str) -> frozenset[str]:
    """Numbers, names from programs, acronyms and negations."""
    negations = _NEGATION.intersection(re.findall(r"\w+", text.casefold()))
    return negations.union(_NUMBER.findall(text), map(str.casefold, _NAME.findall(text)))


@lru_cache(maxsize=4096)
def _content(text: str) -> frozenset[str]:
    """Beginnings (five letters, a crude stem) of the words that carry meaning other than better or worse;
    where words are not spaced, whole clauses."""
    words = set(re.findall(r"\w+", text.casefold())) - _EMPTY - _NEGATION
    meant = (word for word in words if not (_GOOD.match(word) or _BAD.match(word)))
    return frozenset(word if _UNSPACED.search(word) else word[:5] for word in meant)


@lru_cache(maxsize=4096)
def _direction(text: str) -> int:
    words = re.findall(r"\w+", text.casefold())
    return bool(any(map(_GOOD.match, words))) - bool(any(map(_BAD.match, words)))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
