"""The process behind the pages: one socket, one token, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from equilibrist.errors import Failed
from equilibrist.home import open_home
from equilibrist.reading import charts
from equilibrist.reading.laboratory import Laboratory
from equilibrist.web.app import LOOPBACK, make_app, new_token
from equilibrist.web.pages import PAGES

GRACE = 2
"""Seconds that open streams get when the server stops."""


def serve(home: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until interrupted. The token is ``EQUILIBRIST_TOKEN``, else a new one.

    Raises:
        Failed: the address cannot be had.
    """
    home = open_home(home)
    token = os.environ.get("EQUILIBRIST_TOKEN") or new_token()
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    named = f"[{host}]" if ":" in host else host
    loopback = host in ("127.0.0.1", "::1", "localhost")
    hosts = LOOPBACK if loopback else (*LOOPBACK, named, socket.gethostname(), *_own_addresses(host))
    app = make_app(home, token, hosts, port)
    threading.Thread(target=_warm, args=(app.state.laboratory,), daemon=True).start()
    say(f"Reading {home}. Open http://{named}:{port}/?token={token}")
    if not loopback:
        say("Others on the network can reach this address; the token travels unencrypted.")
    say("Ctrl-C ends it.")
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Failed(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Choose another with "
            "--port (0: any)."
        ) from error
    return listener


def _own_addresses(host: str) -> list[str]:
    """What a listener on every address may be called."""
    if host not in ("0.0.0.0", "::"):
        return []
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def _warm(laboratory: Laboratory) -> None:
    """What the first page would wait for: journals read, templates compiled, matplotlib loaded."""
    laboratory.lessons()
    for view in laboratory.sessions():
        view.spend()
    for name in PAGES.list_templates():
        PAGES.get_template(name)
    charts.progress({}, None)
