"""What a session spends on replies, and the gate that no reply passes once a budget is used up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from agents.prices import Prices, price_of
from equilibrist.config import Config
from memory.events import Readable

End = Literal["done", "time", "budget", "interrupted", "paused", "model lost", "failed"]
REPLY = 8192
"""Tokens that a reply may have where nothing limits it and none longer was seen."""


class Halted(Exception):
    """No more replies in this session; what was paid for is kept and the session can be resumed."""

    def __init__(self, reason: End) -> None:
        super().__init__(f"The session has ended: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class Spent:
    """What replies took."""

    replies: int = 0
    tries: int = 0
    input: int = 0
    """Tokens read by the model."""
    output: int = 0
    """Tokens written."""
    usd: float = 0.0
    unpriced: int = 0
    """Replies of models whose price is not known; they are not in ``usd``."""
    gpu_seconds: float = 0.0
    """How long candidates held a GPU."""

    @property
    def tokens(self) -> int:
        return self.input + self.output

    def plus(self, reply: Mapping[str, Any]) -> Spent:
        """With one more reply, as the journal has it."""
        usage, usd = reply.get("usage", {}), reply.get("usd")
        return Spent(
            self.replies + 1,
            self.tries + reply.get("tries", 1),
            self.input + usage.get("input_tokens", 0),
            self.output + usage.get("output_tokens", 0),
            self.usd + (usd or 0.0),
            self.unpriced + (usd is None),
            self.gpu_seconds,
        )

    def __str__(self) -> str:
        """For people: ``$0.0123, 45,678 tokens, 12 replies in 15 tries``."""
        dollars = f"${self.usd:.4f}" if self.usd < 1 else f"${self.usd:.2f}"
        unpriced = f" and {self.unpriced} replies of unknown price" if self.unpriced else ""
        gpu = f", {self.gpu_seconds:,.0f} s of GPU" if self.gpu_seconds else ""
        tries = f" in {self.tries:,} tries" if self.tries > self.replies else ""
        return f"{dollars}{unpriced}, {self.tokens:,} tokens, {self.replies:,} replies{tries}{gpu}"


def spent_by(journal: Readable) -> dict[tuple[str, str], Spent]:
    """What was spent so far, by role and model."""
    shares: dict[tuple[str, str], Spent] = {}
    for event in journal.events("reply"):
        share = (event.data["role"], event.data["model"])
        shares[share] = shares.get(share, Spent()).plus(event.data)
    for event in journal.events("unanswered"):
        share = (event.data["role"], event.data["model"])
        before = shares.get(share, Spent())
        shares[share] = replace(before, tries=before.tries + event.data["tries"])
    if held := sum(event.data["seconds"] for event in journal.events("gpu")):
        shares["candidates", "GPU"] = Spent(gpu_seconds=held)
    return shares


def total(shares: Mapping[Any, Spent]) -> Spent:
    """All shares together."""
    return Spent(**{f.name: sum(getattr(part, f.name) for part in shares.values()) for f in fields(Spent)})


class Meter:
    """Counts replies and lets none begin that a budget does not allow. Safe to use from several threads.

    A reply may begin while what is spent, and the most that the replies in flight and this one can take, stay
    within the budget; or when none is in flight and the budget is not used up. So a session exceeds its
    budget by less than one reply. The most that a reply can take is a token per byte of the request, and the
    limit on replies (twice the longest so far, or 8192 tokens, where there is none).
    """

    def __init__(self, config: Config, prices: Prices, spent: Spent, told: Callable[[Spent], None]) -> None:
        self.spent = spent
        self._config, self._prices, self._told = config, prices, told
        self._deadline = None if config.minutes is None else time.monotonic() + 60.0 * config.minutes
        self._longest = REPLY // 2
        self._open: dict[int, Spent] = {}
        """The most that each reply in flight can take."""
        self._halted: End | None = None
        self._changed = threading.Condition()
        told(spent)

    def halt(self, reason: End) -> None:
        """Let no further reply begin."""
        with self._changed:
            self._halted = self._halted or reason
            self._changed.notify_all()

    def reason(self) -> End | None:
        """Why no further reply may begin, if so."""
        config, spent = self._config, self.spent
        if self._halted:
            return self._halted
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "time"
        dear = config.usd is not None and spent.usd >= config.usd
        many = config.tokens is not None and spent.tokens >= config.tokens
        long = config.gpu_seconds is not None and spent.gpu_seconds >= config.gpu_seconds
        return "budget" if dear or many or long else None

    def held_gpu(self, seconds: float) -> None:
        """A candidate held a GPU for so long."""
        with self._changed:
            self.spent = replace(self.spent, gpu_seconds=self.spent.gpu_seconds + seconds)
            self._told(self.spent)

    def pay(self, model: str, size: int, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A reply with its cost, ``usd`` (None when the price is unknown). Raises Halted instead."""
        price = price_of(model, self._prices)
        with self._admitted(model, size):
            reply = ask()
            reply["usd"] = None if price is None else price.of(reply["usage"])
            with self._changed:
                self.spent = self.spent.plus(reply)
                self._longest = max(self._longest, reply["usage"].get("output_tokens", 0))
                self._told(self.spent)
        return reply

    @contextmanager
    def _admitted(self, model: str, size: int) -> Iterator[None]:
        ticket = threading.get_ident()
        with self._changed:
            most = self._most(model, size)
            while True:
                if reason := self.reason():
                    raise Halted(reason)
                if not self._open or self._fits(most):
                    break
                self._changed.wait(1.0)
            self._open[ticket] = most
        try:
            yield
        finally:
            with self._changed:
                del self._open[ticket]
                self._changed.notify_all()

    def _most(self, model: str, size: int) -> Spent:
        answer = self._config.reply_tokens or 2 * self._longest
        price = price_of(model, self._prices)
        usd = price.of({"input_tokens": size, "output_tokens": answer}) if price else 0.0
        return replace(Spent(), input=size, output=answer, usd=usd)

    def _fits(self, most: Spent) -> bool:
        ahead = total({**self._open, 0: most, -1: self.spent})
        config = self._config
        return (config.usd is None or ahead.usd <= config.usd) and (
            config.tokens is None or ahead.tokens <= config.tokens
        )
