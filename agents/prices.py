"""What replies cost: a table of prices per model, which the user may override."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from agents.errors import ModelError
from sandbox.job import Record

DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
"""How vendors mark a version of one model at one price."""


class Price(Record):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """Input that the endpoint had cached; None: as other input."""

    def of(self, usage: Mapping[str, Any]) -> float:
        """US dollars for one reply; ``usage`` as in LangChain's UsageMetadata."""
        cached = (usage.get("input_token_details") or {}).get("cache_read") or 0
        cheap = self.input if self.cached is None else self.cached
        fresh = usage.get("input_tokens", 0) - cached
        return (fresh * self.input + cached * cheap + usage.get("output_tokens", 0) * self.output) / 1e6


Prices = Mapping[str, Price]
_TABLE = TypeAdapter(dict[str, Price])


@cache
def listed() -> Prices:
    """The table that comes with the program."""
    return read(Path(__file__).with_name("prices.json"))


def read(path: Path) -> Prices:
    """A table from a file ``{"models": {name: {"input", "output", "cached"}}}``. Raises ModelError."""
    try:
        return _TABLE.validate_python(json.loads(path.read_text())["models"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ModelError(
            f"{path} is no table of prices ({error}). It looks like "
            '{"models": {"my-model": {"input": 0.5, "output": 1.5}}}, in US dollars per million tokens.'
        ) from None


def price_of(model: str, prices: Prices) -> Price | None:
    """A model's price; a dated version costs what its model does. None when it is not listed."""
    for name in (model, DATED.sub("", model), DATED.sub("", model.rpartition("/")[2])):
        if name in prices:
            return prices[name]
    return None
