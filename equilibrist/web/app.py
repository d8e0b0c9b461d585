"""The server: who may ask, for what, and with which guards. What a page shows is in ``pages.py``."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from equilibrist.reading.laboratory import Laboratory
from equilibrist.web import live, pages

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
YEAR = 31_536_000


def make_app(home: Path, token: str, hosts: tuple[str, ...] = LOOPBACK, port: int = 0) -> Starlette:
    """The application over a home folder.

    Args:
        hosts: names under which it may be asked for; any other is refused, so that no foreign page can
            reach it through a name of its own that leads here (DNS rebinding).
        port: makes the cookie's name its own, since cookies know no ports.
    """
    routes = [
        Route("/", pages.sessions),
        Route("/events", live.events),
        Route("/sessions/{session}", pages.session),
        Route("/sessions/{session}/rows", pages.rows),
        Route("/sessions/{session}/lineage", pages.lineage),
        Route("/sessions/{session}/charts", pages.charts_of),
        Route("/sessions/{session}/programs/{name}", pages.program),
        Route("/sessions/{session}/experiments/{number:int}", pages.experiment),
        Route("/sessions/{session}/experiments/{number:int}/curves", pages.curves),
        Route("/memory", pages.memory),
        Route("/memory/{lesson}", pages.lesson),
        Route("/compare", pages.compare),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, hosts=hosts, cookie=f"equilibrist-{port}")],
        exception_handlers={404: _answer(404), 405: _answer(405), 500: _answer(500)},
    )
    app.state.laboratory = Laboratory(home.resolve())
    return app


def _answer(code: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return pages.fault(request, code, str(getattr(error, "detail", "")))

    return answer


class Guard:
    """Refuses foreign names and strangers; puts the guards of ``HEADERS`` on every answer."""

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...], cookie: str) -> None:
        self.app, self.token, self.hosts, self.cookie = app, token, hosts, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
            await send(message)

        answer = self.refusal(Request(scope)) or self.app
        await answer(scope, receive, guarded)

    def refusal(self, request: Request) -> Response | None:
        """What to answer instead; None when the request may pass."""
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        if host not in self.hosts:
            return PlainTextResponse(
                "This name is not served. Use the address that `equilibrist serve` prints.\n", 421
            )
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Pages here are only read.\n", 405)
        given = request.query_params.get("token")
        if given is not None and self._is_token(given):
            return self._admit(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(request.cookies.get(self.cookie, "")) or self._is_token(bearer):
            return None
        return PlainTextResponse(
            "Not allowed: open the whole address that `equilibrist serve` printed, with its token.\n", 401
        )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _admit(self, request: Request) -> Response:
        """Keep the token in a cookie and take it out of the address bar."""
        rest = urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "token"])
        path = "/" + request.url.path.lstrip("/")  # never //host
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(self.cookie, self.token, max_age=YEAR, httponly=True, samesite="strict")
        return answer


def new_token() -> str:
    return secrets.token_urlsafe(24)
