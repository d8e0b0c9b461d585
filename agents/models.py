"""Names of chat models -> chat models. Every researcher is a LangChain chat model, an LLM or not."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from agents.errors import ModelError
from agents.genetic import GeneticResearcher

GENETIC = "genetic"
"""The embedded researcher, which needs neither key nor network."""


def open_model(
    name: str,
    role: str,
    seed: int,
    reply_tokens: int | None = None,
    reply_seconds: float = 300.0,
    text_calls: bool = False,
) -> BaseChatModel:
    """The chat model ``name`` for ``role`` (proposer, critic or analyst).

    ``genetic`` is the embedded researcher; any other name is asked for at the OpenAI-compatible endpoint
    of the environment: OPENAI_BASE_URL (or OPENAI_API_BASE) and OPENAI_API_KEY. An endpoint on this
    machine may go without a key. The seed is for the embedded researcher: endpoints differ in what they make
    of one, and a session repeats itself from its journal. ``reply_tokens`` is the most that an endpoint is
    asked to write in one reply, ``reply_seconds`` how long one may keep silent;
    with ``text_calls`` tools are called in text from the start.

    Raises ModelError when the key is missing or the address is none.
    """
    if name == GENETIC:
        return GeneticResearcher(seed=seed)
    # The client takes a second to import, which a session of the embedded researcher need not spend.
    from agents.endpoint import NO_KEY, Endpoint

    base_url = _base_url()
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        if not _is_loopback(base_url):
            raise ModelError(
                f"The {role}'s model {name!r} needs a key: set OPENAI_API_KEY (and OPENAI_BASE_URL for an "
                f"endpoint other than OpenAI's), or use --model {GENETIC}, which needs none."
            )
        key = NO_KEY
    # Local servers know the older name of the limit only (llama.cpp's ignores the newer one).
    local_limit = {"max_tokens": reply_tokens} if reply_tokens and _is_loopback(base_url) else None
    return Endpoint(
        model=name,
        api_key=key,  # type: ignore[arg-type]
        base_url=base_url,
        timeout=reply_seconds,
        max_tokens=reply_tokens,  # type: ignore[call-arg]
        extra_body=local_limit,
        max_retries=0,
        use_responses_api=False,
        without_tools=text_calls,
    )


def attach(
    model: BaseChatModel, check: Callable[[], None], progress: Callable[[int, int], None] | None
) -> None:
    """Let a model ask, while it waits, whether anybody waits for it (``check`` raises if not), and tell
    how far its reply has come: (experiment, characters). The embedded researcher does neither."""
    for name, value in (("check", check), ("progress", progress)):
        if name in type(model).model_fields:
            setattr(model, name, value)


def model_id(model: BaseChatModel) -> str:
    """How the journal calls a model: its name at the endpoint, or its kind."""
    return str(getattr(model, "model_name", "") or model._llm_type)


def _base_url() -> str | None:
    """Both spellings are in use; None is OpenAI's own address."""
    url = (os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or "").strip()
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ModelError(
            f"OPENAI_BASE_URL is no web address: {url.rpartition('@')[2]!r}; it looks like http://127.0.0.1:8000/v1."
        )
    return url


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
