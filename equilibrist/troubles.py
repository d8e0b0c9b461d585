"""What went wrong between the session and its models: told reply by reply, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from equilibrist.render import safe
from memory.events import Readable

SHORT = 600
"""Characters of a model's own words."""


def troubles(reply: Mapping[str, Any]) -> list[str]:
    """What went wrong on the way to a reply and in it, a phrase each."""
    found = []
    if reply.get("faults"):
        found.append(f"{reply['tries']} tries: {', '.join(map(safe, reply['faults']))}")
    if reply.get("condensed"):
        found.append(f"the messages were too long and were condensed (step {reply['condensed']} of 3)")
    if reply.get("overflow"):
        found.append(f"the messages do not fit the context: {safe(reply['overflow'])}")
    if reply.get("refusal"):
        found.append(f"refused: {safe(reply['refusal'])[:SHORT]}")
    for call in reply.get("invalid_calls", ()):
        found.append(f"call of {safe(str(call['name']))} unreadable: {safe(str(call['error']))}")
    if reply.get("finish") == "length":
        found.append("cut off at the limit of its length")
    if not (reply.get("text") or reply.get("tool_calls") or found):
        found.append("empty")
    return found


def counts(journal: Readable) -> dict[str, int]:
    """How often what went wrong, most frequent first."""
    tally: Counter[str] = Counter()
    for event in journal.events("unanswered"):
        tally.update([*event.data["faults"], "reply that never came"])
    for event in journal.events("reply"):
        reply = event.data
        tally.update(reply.get("faults", ()))
        tally["refusal"] += bool(reply.get("refusal"))
        tally["unreadable call"] += len(reply.get("invalid_calls", ()))
        tally["reply cut off"] += reply.get("finish") == "length"
        silent = not (reply["tool_calls"] or reply.get("invalid_calls") or reply.get("overflow"))
        tally["reply without a call"] += silent
    for event in journal.events("tool"):
        tally["call that could not be done"] += event.data["result"].startswith('{"error"')
    tally["turn given up"] = sum(1 for _ in journal.events("unfinished"))
    return {name: count for name, count in tally.most_common() if count}
