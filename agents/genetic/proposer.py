"""The proposer's part: read, make a program by mutation or crossover, try it, hand it in."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import Any

from agents.genetic.bandit import operator_weights
from agents.genetic.dialogue import Call, Dialogue
from agents.genetic.interface import observe
from agents.genetic.operators import OPERATORS
from agents.genetic.program import Program, parsed
from agents.genetic.render import ancestors_of
from agents.genetic.scene import Donor
from agents.genetic.variation import Variation, identity, vary
from memory.records import program_id

LISTED = 200
"""Programs asked for, so that the statistics of the operators are complete."""
FURTHER = 2
"""Programs read beside the inspirations, for their material."""
REMEMBERED = 8
"""Programs of earlier sessions read, behind lessons that tell of a gain."""
SMALL_GAIN = 0.05
"""Added to every gain, so that the last small steps of a good line are remembered too."""
ATTEMPTS = 6
"""Drafts tried before the best of them is handed in anyway."""
FRESH = 3
"""Drafts that are dropped when they behave like a program that was evaluated."""
MENDING = {
    ("simpl", "needless", "dead", "unused", "size", "large", "complex"): ("delete_term",),
    ("constant", "horizon", "literal", "magic", "tuned"): (
        "tune_constant",
        "schedule_constant",
        "delete_term",
    ),
}
"""Words of an objection -> operators that may meet it."""


def propose(dialogue: Dialogue) -> tuple[str, list[Call]]:
    """The next reply: reading first, then drafts that are checked and tried, then the submission."""
    for title, reading in READING:
        missing = dialogue.missing(reading(dialogue))
        if missing:
            return title, missing
    tried = dialogue.asked("check_program")
    refused = len(dialogue.asked("submit_program"))
    passed = [i for i in range(len(tried)) if _is_sound(dialogue, i)]
    if len(passed) > refused or len(tried) >= ATTEMPTS + refused:
        return _submission(dialogue, passed[refused] if len(passed) > refused else len(tried) - 1)
    draft = _draft(dialogue, len(tried))
    calls = [Call("check_program", {"source": draft.source})]
    if "smoke_run" in dialogue.tools:
        calls.append(Call("smoke_run", {"source": program_id(draft.source)}))
    changes = "; ".join(change.what for change in draft.changes)
    return f"Draft {len(tried) + 1}: {changes}.", calls


def _submission(dialogue: Dialogue, attempt: int) -> tuple[str, list[Call]]:
    draft = _draft(dialogue, attempt)
    arguments = {
        "source": program_id(draft.source),
        "hypothesis": hypothesis(dialogue, draft),
        "operator": draft.operator,
    }
    sound = _is_sound(dialogue, attempt)
    return "This one runs and is new." if sound else "The best I found.", [Call("submit_program", arguments)]


def hypothesis(dialogue: Dialogue, draft: Variation) -> str:
    """What was changed, what it should do, what would refute it."""
    parent = dialogue.program(dialogue.brief["parent_id"]) or {}
    what = ", and ".join(change.what for change in draft.changes)
    why = ", and to ".join(dict.fromkeys(change.why for change in draft.changes))
    named = str(parent.get("name") or parent.get("program_id") or "the parent")
    values = _constants(draft.source, what)
    score = parent.get("score")
    above = f" above {score:.3f}" if score is not None else ""
    claim = f"{what[:1].upper()}{what[1:]}{values} is expected to {why}"
    aim = f"and so to raise the score of {named}{above}"
    lag = _lag(dialogue, parent)
    return f"{claim}, {aim}{lag}. It is refuted if the mean score over the games does not rise."


def _constants(source: str, what: str) -> str:
    """The values of the constants that the sentence names."""
    constants = Program(source).constants
    named = [
        f"{name} = {ast.unparse(node.value)}" for name, node in constants.items() if f"self.{name}" in what
    ]
    return f" (with {', '.join(named)})" if named else ""


def _lag(dialogue: Dialogue, parent: Mapping[str, Any]) -> str:
    """Where the parent is furthest behind the best program known."""
    mine = parent.get("games") or {}
    best: dict[str, float] = {}
    for program in _listed(dialogue):
        for game, score in (program.get("games") or {}).items():
            best[game] = max(score, best.get(game, score))
    gaps = {game: best.get(game, score) - score for game, score in mine.items()}
    game = max(gaps, key=lambda g: gaps[g], default=None)
    if game is None or gaps[game] <= 0:
        return ""
    return f", above all on {game}, where it is {gaps[game]:.2f} behind the best known"


def _listed(dialogue: Dialogue) -> list[Mapping[str, Any]]:
    return [
        program for answer in dialogue.of("list_programs") for program in answer.result.get("programs", [])
    ]


def _first(dialogue: Dialogue) -> list[Call]:
    brief = dialogue.brief
    ids = [brief["parent_id"], *brief.get("inspiration_ids", []), brief.get("draft_id")]
    query = " ".join(
        [f"What improved {brief.get('problem', 'the rule')}?", *map(str, brief.get("objections", []))]
    )
    calls = [Call("list_programs", {"limit": LISTED}), Call("recall_lessons", {"query": query.strip()[:300]})]
    return calls + [Call("read_program", {"program_id": name}) for name in dict.fromkeys(ids) if name]


def _further(dialogue: Dialogue) -> list[Call]:
    """Parents of the inspirations, to see what improved them, and some programs more."""
    brief, listed = dialogue.brief, _listed(dialogue)
    known = {program["program_id"]: program for program in listed if program.get("score") is not None}
    donors = list(brief.get("inspiration_ids", []))
    others = [name for name in known if name not in (brief["parent_id"], brief.get("draft_id"), *donors)]
    random = dialogue.random("further")
    weights = [0.9**rank for rank in range(len(others))]
    donors += [random.choices(others, weights)[0] for _ in range(FURTHER)] if others else []
    ids = [*donors, *(known[name].get("parent_id") for name in donors if name in known)]
    calls = [Call("read_program", {"program_id": name}) for name in dict.fromkeys(ids) if name]
    parent = dialogue.program(brief["parent_id"]) or {}
    program = parsed(str(parent.get("source", "")))
    start = " and ".join(ancestors_of(program)) if program else ""
    query = f"Starting from {start or parent.get('name')}: what raised the score?"
    return [*calls, Call("recall_lessons", {"query": query, "limit": 20})]


def _remembered(dialogue: Dialogue) -> list[Call]:
    """Programs of earlier sessions behind lessons that tell of a gain, the larger the likelier."""
    told = [x for answer in dialogue.of("recall_lessons") for x in answer.result.get("lessons", [])]
    gains: dict[str, float] = {}
    for lesson in [*dialogue.brief.get("lessons", []), *told]:
        effect, evidence = lesson.get("effect") or 0.0, [x for x in lesson["supported_by"] if "/" in x]
        if effect > 0 and evidence and lesson["status"] in ("quarantined", "supported"):
            gains[evidence[0]] = effect + SMALL_GAIN
    random, chosen = dialogue.random("remembered"), list[str]()
    while gains and len(chosen) < REMEMBERED:
        chosen += random.choices(list(gains), list(gains.values()))
        gains.pop(chosen[-1])
    return [Call("read_program", {"program_id": name}) for name in chosen]


def _became(dialogue: Dialogue) -> list[Call]:
    """The best that came of those programs."""
    read = _read(dialogue, _remembered(dialogue))
    return [_reading(name) for name in dict.fromkeys(x for p in read for x in p.get("improved_by", ())[:1])]


def _origins(dialogue: Dialogue) -> list[Call]:
    """What all those programs improved on."""
    read = _read(dialogue, [*_remembered(dialogue), *_became(dialogue)])
    return [_reading(name) for name in dict.fromkeys(p["parent_id"] for p in read) if name]


def _read(dialogue: Dialogue, calls: Sequence[Call]) -> list[Mapping[str, Any]]:
    """The programs that these calls read, as far as they were answered."""
    chosen = {call.arguments["program_id"] for call in calls}
    return [x.result for x in dialogue.of("read_program") if x.arguments["program_id"] in chosen]


def _reading(name: str) -> Call:
    return Call("read_program", {"program_id": name})


READING: tuple[tuple[str, Callable[[Dialogue], list[Call]]], ...] = (
    ("Reading.", _first),
    ("Reading on.", _further),
    ("What did earlier sessions find?", _remembered),
    ("What came of that?", _became),
    ("What did all that improve on?", _origins),
)


def _is_sound(dialogue: Dialogue, attempt: int) -> bool:
    """Did a draft pass the static check, is it new, and did it run?"""
    check = dialogue.asked("check_program")[attempt].result
    smokes = dialogue.asked("smoke_run")
    ran = attempt >= len(smokes) or smokes[attempt].result.get("status") == "ok"
    if attempt < FRESH and attempt < len(smokes) and smokes[attempt].result.get("behaves_like"):
        return False  # later drafts may differ in what the smoke run is too short to show
    return not check.get("error") and not check.get("faults") and not check.get("duplicate_of") and ran


def _draft(dialogue: Dialogue, attempt: int) -> Variation:
    """The draft of one attempt, the same whenever it is asked for; operators that failed get rarer."""
    sources, listed = _sources(dialogue), _listed(dialogue)
    failed: list[str] = []
    for number in range(attempt + 1):
        material = json.dumps([dialogue.seed, number, failed, dialogue.brief, sources, listed])
        draft = _made(material, dialogue.statement)
        if number < attempt and not _is_sound(dialogue, number):
            failed.append(draft.operator)
    return draft


@lru_cache(maxsize=64)
def _made(material: str, statement: str) -> Variation:
    """One variation. A pure function: the cache saves work that the replies of one turn share."""
    seed, attempt, failed, brief, sources, listed = json.loads(material)
    random = Random(f"{seed} draft {attempt} {json.dumps(brief, sort_keys=True)}")
    programs = {name: program for name, (_, source, *_) in sources.items() if (program := parsed(source))}
    base = programs[brief.get("draft_id") or brief["parent_id"]]
    donors = _donors(brief, sources, programs)
    weights = operator_weights(listed, brief.get("lessons", []), random)
    if not any(donor.lead > 0 and donor.parent for donor in donors):
        weights["recollect"] = 0.0
    objections = " ".join(map(str, brief.get("objections", []))).lower()
    taken = {identity(x) for name, x in programs.items() if not _is_earlier(sources[name][0])}
    interface = observe(list(programs.values()), statement)
    for chosen in (_mended(weights, objections, failed), weights):
        made = vary(base, donors, random, chosen, taken, interface)
        if made is not None:
            return made
    raise ValueError(f"No operator finds a place in the program {brief['parent_id']}.")


def _is_earlier(name: str) -> bool:
    """Is it the name of an earlier session's experiment?"""
    return "/" in name


def _sources(dialogue: Dialogue) -> dict[str, tuple[str, str, str | None, float | None]]:
    """Programs that were read: id -> (name, source, id of the parent that it improved on, score)."""
    seen = [*_listed(dialogue), *(answer.result for answer in dialogue.of("read_program"))]
    known = {p["program_id"]: p for p in seen} | {p["name"]: p for p in seen if p.get("name")}
    found = {}
    for answer in dialogue.of("read_program"):
        program, score = answer.result, answer.result.get("score")
        parent = known.get(program.get("parent_id") or "", {})
        before = parent.get("score")
        better = before is not None and score is not None and score > before
        name = str(program.get("name") or program["program_id"])
        origin = parent["program_id"] if better else None
        found[program["program_id"]] = (name, program["source"], origin, score)
    return found


def _donors(
    brief: Mapping[str, Any], sources: Mapping[str, Sequence[Any]], programs: Mapping[str, Program]
) -> list[Donor]:
    own = (brief["parent_id"], brief.get("draft_id"))
    bar = sources[brief["parent_id"]][3]
    known = bar is not None
    return [
        Donor(
            name,
            programs[key],
            programs.get(parent) if parent else None,
            lead=max(0.0, score - bar) if known and score is not None and _is_earlier(name) else 0.0,
        )
        for key, (name, _, parent, score) in sources.items()
        if key not in own and key in programs
    ]


def _mended(weights: Mapping[str, float], objections: str, failed: Sequence[str]) -> dict[str, float]:
    """Only operators that meet the objections, where some do; those that just failed a quarter as often."""
    wanted = {
        name for words, names in MENDING.items() if any(w in objections for w in words) for name in names
    }
    chosen = {name: weights[name] for name in OPERATORS if not wanted or name in wanted}
    bad = {name for names in failed for name in names.split("+")}
    return {name: weight * (0.25 if name in bad else 1.0) for name, weight in chosen.items()}
