"""What a session would cost: from what the home's sessions took, or from the length of the messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agents import texts
from agents.conversation import STEPS, TOOLS_SIZE
from agents.ensemble import members
from agents.errors import ModelError
from agents.prices import Prices, price_of
from agents.state import REVISIONS
from equilibrist.budget import Spent, spent_by
from equilibrist.config import Config
from equilibrist.errors import Usage
from equilibrist.evaluate import find_problem
from equilibrist.home import session_folders
from equilibrist.start import prices_of
from memory.events import JournalError
from memory.journal import Journal
from problems.problem import Problem

BYTES_PER_TOKEN = 4
REPLIES = {"proposer": 5, "critic": 3, "analyst": 3}
"""Replies in a turn of usual length, where no session tells better."""
WRITTEN = {"proposer": 1200, "critic": 250, "analyst": 500}
"""Tokens of a reply, likewise: a program, a verdict, an explanation."""
PROGRAMS = {"proposer": 3, "critic": 2, "analyst": 1}
"""Programs in a role's brief."""


@dataclass(frozen=True)
class Share:
    """One role with one model, over the whole session."""

    role: str
    model: str
    input: int
    """Tokens."""
    output: int
    usd: float | None
    """None: no price is known."""


@dataclass(frozen=True)
class Estimate:
    shares: tuple[Share, ...]
    tokens: int
    usd: float | None
    most_tokens: int
    """If each turn took every reply and every revision that it may."""
    source: str
    """Where the figures come from."""


def estimate(home: Path, config: Config) -> Estimate:
    """Raises Usage for an unknown problem or an unreadable table of prices."""
    problem = find_problem(config.problem)
    try:
        prices, proposers = prices_of(home), members(config.proposer)
    except ModelError as error:
        raise Usage(str(error)) from None
    seen = _seen(home, config.problem)
    shares, most = [], 0
    whole = sum(proposers.values())
    wanted = [("proposer", name, weight / whole) for name, weight in proposers.items()]
    wanted += [("critic", config.critic, 1.0), ("analyst", config.analyst, 1.0)]
    for role, model, part in wanted:
        turn = seen.get(role) or _turn(problem, role, REPLIES[role])
        shares.append(_share(role, model, part * config.experiments, turn, prices))
        if model != "genetic":
            turns = 1 if role == "analyst" else 1 + REVISIONS
            most += round(part * config.experiments * turns * _turn(problem, role, STEPS).tokens)
    dollars = [share.usd for share in shares]
    return Estimate(
        shares=tuple(shares),
        tokens=sum(share.input + share.output for share in shares),
        usd=None if None in dollars else sum(filter(None, dollars)),
        most_tokens=most,
        source="sessions in this home"
        if seen
        else "the length of the messages; a first session tells better",
    )


def _share(role: str, model: str, count: float, turn: Spent, prices: Prices) -> Share:
    price = price_of(model, prices)
    if model == "genetic":
        return Share(role, model, 0, 0, 0.0)
    usage = {"input_tokens": round(count * turn.input), "output_tokens": round(count * turn.output)}
    usd = price.of(usage) if price else None
    return Share(role, model, usage["input_tokens"], usage["output_tokens"], usd)


def _turn(problem: Problem, role: str, replies: int) -> Spent:
    """Tokens of one turn. Every reply reads the whole turn so far again."""
    program = max(len(source) for source in problem.baselines.values())
    first = len(texts.system(role, problem)) + TOOLS_SIZE + 3000 + PROGRAMS[role] * (program + 300)
    answers = program + 4 * WRITTEN[role]
    read = sum(first + step * answers for step in range(replies)) // BYTES_PER_TOKEN
    return Spent(replies=replies, input=read, output=replies * WRITTEN[role] // 2)


def _seen(home: Path, problem: str) -> Mapping[str, Spent]:
    """Mean tokens of an experiment by role, over the sessions with language models."""
    totals: dict[str, Spent] = {}
    experiments = 0
    for folder in session_folders(home):
        try:
            journal = Journal.view(folder)
            spent = {share: s for share, s in spent_by(journal).items() if s.tokens}
            if journal.session["problem"] != problem or not spent:
                continue
            begun = sum(1 for _ in journal.events("begun"))
        except JournalError:
            continue
        experiments += begun
        for (role, _), part in spent.items():
            before = totals.get(role, Spent())
            totals[role] = Spent(input=before.input + part.input, output=before.output + part.output)
    return {
        role: Spent(input=part.input // experiments, output=part.output // experiments)
        for role, part in totals.items()
        if experiments
    }


def render(console: Console, found: Estimate) -> None:
    table = Table("role", "model")
    for column in ("tokens read", "tokens written", "US dollars"):
        table.add_column(column, justify="right")
    for share in found.shares:
        dollars = "price unknown" if share.usd is None else f"{share.usd:.2f}"
        table.add_row(share.role, share.model, f"{share.input:,}", f"{share.output:,}", dollars)
    console.print(table)
    dollars = "of unknown price" if found.usd is None else f"for ${found.usd:.2f}"
    console.print(f"About {found.tokens:,} tokens {dollars}, reckoned from {found.source}.", soft_wrap=True)
    if found.most_tokens:
        console.print(
            f"At the very most {found.most_tokens:,} tokens. Keep it within bounds with --usd or --tokens.",
            soft_wrap=True,
        )
