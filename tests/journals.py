"""Sessions as a journal holds them, of any size, written in a moment: real records and real lines."""

import random
from pathlib import Path

from memory.events import encode
from memory.journal import Journal
from memory.records import program_id

GAMES = ("kuhn3", "leduc2")
LESSON = "1e550e000001"
LATER = "1e550e000002"


def source(number, extra=""):
    return f'"""Program {number}."""\n\nimport torch\n\n\nclass Rule:\n    ALPHA = {number}.5\n{extra}'


def curves(level):
    points = [float(2**k) for k in range(8)]
    values = [level / (1 + k) for k in range(8)]
    return {game: {"iterations": points, "exploitability": values} for game in GAMES}


def result(score, status="ok", message="", output=""):
    games = {} if score is None else {game: score + 0.1 * i for i, game in enumerate(GAMES)}
    return {
        "status": status,
        "message": message,
        "score": score,
        "stopped_early": False,
        "games": games,
        "details": {},
        "curves": curves(10**-score) if score is not None else {},
        "output": output,
        "seconds": 1.5,
        "sandbox": "local",
    }


def experiment(number, parent, score=None, status="ok", **more):
    """Data of an ``experiment`` event; ``more``: message, output, hypothesis, verdicts, shown, taught ..."""
    text = more.get("text", source(number))
    return {
        "number": number,
        "proposal": {
            "program_id": program_id(text),
            "source": text,
            "parent_id": parent,
            "hypothesis": more.get("hypothesis", f"Hypothesis {number}: discounting helps."),
            "inspiration_ids": [],
            "lesson_ids": list(more.get("shown", ())),
            "operator": "tune",
        },
        "verdicts": more.get("verdicts", [{"decision": "approve", "reasons": "Sound.", "by": "critic"}]),
        "result": result(score, status, more.get("message", ""), more.get("output", "")),
        "analysis": {"explanation": more.get("explanation", "It rose."), "lessons": []},
        "lesson_ids": list(more.get("taught", ())),
        "brief": {
            "reason": "rank 1",
            "memory": True,
            "author": "genetic",
            "lessons": [{"id": x} for x in more.get("shown", ())],
        },
    }


def baseline(name, score):
    text = f'"""{name}."""\n\nimport torch\n\n\nclass Rule:\n    pass\n'
    return {"name": name, "program_id": program_id(text), "source": text, "result": result(score)}


def turn(number, role, calls, text="", round=0):
    """Events of one turn: prompt, one reply, its calls' results. ``calls``: (name, arguments, result)."""
    where = {"experiment": number, "role": role, "round": round}
    key = f"key-{number}-{role}-{round}"
    reply = {
        **where,
        "step": 1,
        "model": "scripted",
        "text": text,
        "invalid_calls": [],
        "refusal": "",
        "tool_calls": [{"name": name, "args": args} for name, args, _ in calls],
        "usage": {"input_tokens": 900, "output_tokens": 100},
        "tries": 1,
        "usd": 0.01,
    }
    yield "prompt", f"p-{key}", {**where, "system": "sys", "human": f"Brief of experiment {number}"}
    yield "reply", key, reply
    for i, (name, args, answer) in enumerate(calls):
        yield "tool", f"{key} {i}", {**where, "step": 1, "name": name, "arguments": args, "result": answer}


def lesson_added(session, number, lesson, text, effect=0.1):
    evidence = {
        "experiment": f"{session}/{number}",
        "program_id": "0" * 12,
        "run": f"run {session}",
        "effect": effect,
    }
    return {
        "id": lesson,
        "problem": "regret",
        "text": text,
        "kind": "insight",
        "games": list(GAMES),
        "observation": "measured",
        "sources": [],
        "evidence": evidence,
        "against": [],
        "claims": [],
        "session": session,
        "number": number,
    }


def new_session(home: Path, name="regret-001", experiments=12, **about) -> Journal:
    config = {
        "problem": "regret",
        "seed": 1,
        "experiments": experiments,
        "proposer": "scripted",
        "tokens": 50_000,
    }
    session = {"problem": "regret", "config": {**config, **about}, "run": name, "versions": {"python": "3"}}
    journal = Journal.create(home / "sessions" / name, session)
    journal.append("started", None, sandbox="local")
    journal.append("system", "sys", role="proposer", text="You are the proposer.")
    for known, score in (("cfr", 1.0), ("cfr_plus", 2.0)):
        journal.append("baseline", known, **baseline(known, score))
    return journal


def chain(journal: Journal) -> None:
    """The claim of experiment 1, a rejected experiment 2, and experiment 3 that a lesson of 1 led to."""
    session = journal.folder.name
    first = baseline("cfr_plus", 2.0)["program_id"]
    one = experiment(1, first, 2.2, taught=[LESSON], output="hello from the container")
    two = experiment(
        2,
        first,
        None,
        "rejected",
        message="",
        verdicts=[{"decision": "reject", "reasons": "It repeats what experiment 1 did.", "by": "critic"}],
    )
    parent = one["proposal"]["program_id"]
    three = experiment(3, parent, 2.6, shown=[LESSON], taught=[LATER], text=source(3, "    BETA = 0.0\n"))
    for number, record in enumerate((one, two, three), 1):
        calls = [("check_program", {"source": record["proposal"]["source"]}, '{"faults": []}')]
        verdict = record["verdicts"][0]
        spoken = [
            *turn(number, "proposer", calls, "I look for the needle."),
            *turn(
                number,
                "critic",
                [("give_verdict", {"decision": verdict["decision"]}, "{}")],
                verdict["reasons"],
            ),
        ]
        for kind, key, data in spoken:
            journal.append(kind, key, **data)
        if number != 2:
            lesson, text = (
                (LESSON, "Discounting helps in Leduc.") if number == 1 else (LATER, "Optimism helps.")
            )
            journal.append("lesson_added", f"{number}", **lesson_added(session, number, lesson, text))
        journal.append("experiment", str(number), **record)
    journal.append(
        "lesson_credited", "3", lessons=[LESSON], run=session, improved=True, difference=0.4, number=3
    )


def many(folder: Path, count: int) -> None:
    """Append ``count`` experiments to a closed journal, each child of an earlier one, some of them failed."""
    dice = random.Random(1)
    ids = [baseline("cfr_plus", 2.0)["program_id"]]
    path = folder / "journal.jsonl"
    n = len(path.read_bytes().splitlines())
    lines = []
    for number in range(1, count + 1):
        failed = dice.random() < 0.2
        status = dice.choice(["error", "invalid", "rejected", "timeout"]) if failed else "ok"
        score = None if failed else 1.5 + dice.random() + number / count
        data = experiment(
            number, dice.choice(ids[-50:]), score, status, message="It broke." if failed else ""
        )
        if not failed:
            ids.append(data["proposal"]["program_id"])
        events = [
            *turn(number, "proposer", [("smoke_run", {"source": "x"}, "{}")], "Trying."),
            ("experiment", str(number), data),
        ]
        for kind, key, what in events:
            n += 1
            lines.append(encode(n, kind, key, what))
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31mred\x1b[0m\x1b]0;owned\x07\x9b2J "
    "\u202egnp.exe\u2066 \"'></pre>\u061c\ud800 {{ 7*7 }} [bold]x[/bold] ${`$x`} ](javascript:alert(3)) | # `"
)
UNSEEN = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u061c")
"""Marks of ``HOSTILE`` that must reach nobody's screen."""


def hostile(home: Path, name="regret-001") -> None:
    """A session in which every text that a program, a model or another laboratory may write is hostile, and
    those that may be long are a megabyte."""
    long = HOSTILE + "z" * 1_000_000
    with new_session(home, name, proposer=HOSTILE) as journal:
        journal.append("baseline", HOSTILE, **{**baseline("x", 1.5), "name": HOSTILE})
        for kind, key, data in turn(1, HOSTILE, [(long, {HOSTILE: long, "source": long}, long)], long):
            journal.append(kind, key, **(data | {"model": long} if kind == "reply" else data))
        journal.append("unfinished", "u", experiment=1, role=HOSTILE, reason=long)
        told = lesson_added(name, 1, LESSON, long)
        journal.append("lesson_added", "1", **{**told, "observation": long, "games": [HOSTILE]})
        journal.append(
            "lesson_contradicted", "2", id=LESSON, evidence=told["evidence"], reason=long, by=LATER
        )
        for number, status in ((1, "ok"), (2, "error"), (3, "rejected")):
            made = experiment(
                number,
                baseline("cfr_plus", 2.0)["program_id"],
                2.2 if status == "ok" else None,
                status,
                text=f'"""{long}"""\n{number}',
                hypothesis=long,
                output=long,
                message="" if status == "rejected" else long,
                verdicts=[{"decision": "reject", "reasons": long, "by": "critic"}],
                explanation=long,
                shown=[LESSON],
                taught=[LESSON] if status == "ok" else [],
            )
            made["proposal"]["operator"] = HOSTILE
            made["brief"] |= {"author": HOSTILE, "reason": long, "arm": HOSTILE}
            if status == "ok":
                made["result"]["games"][HOSTILE] = 1.0
                made["result"]["details"][HOSTILE] = 1.0
                made["result"]["curves"][HOSTILE] = made["result"]["curves"]["kuhn3"]
            journal.append("experiment", str(number), **made)
