"""Server-sent events: a page is told when what it shows has grown, and fetches it again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from equilibrist.reading.laboratory import Laboratory

PERIOD = 0.5
"""Seconds between looks at the journals."""
BEAT = 15.0
"""Seconds after which a silent connection is proved alive."""


async def events(request: Request) -> StreamingResponse:
    """``change`` events about ``?session=NAME``, or about all sessions."""
    laboratory: Laboratory = request.app.state.laboratory
    name = request.query_params.get("session", "")
    stream = _stream(request, laboratory, name)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(request: Request, laboratory: Laboratory, name: str) -> AsyncIterator[str]:
    told: dict[str, Any] = await run_in_threadpool(_state, laboratory, name)
    yield f"retry: 2000\nevent: hello\ndata: {json.dumps(told)}\n\n"
    silent = 0.0
    while not await request.is_disconnected():
        await asyncio.sleep(PERIOD)
        now = await run_in_threadpool(_state, laboratory, name)
        if now != told:
            told, silent = now, 0.0
            yield f"event: change\ndata: {json.dumps(now)}\n\n"
        elif (silent := silent + PERIOD) >= BEAT:
            silent = 0.0
            yield ": still here\n\n"


def _state(laboratory: Laboratory, name: str) -> dict[str, Any]:
    if name:
        view = laboratory.session(name)
        views = [view] if view else []
    else:
        views = laboratory.sessions()
    return {view.name: [view.lines.last, len(view.rows), view.state] for view in views}
