"""LangSmith's tracing, turned on by the environment: it is sent to, and no secret is in what it is sent."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loopback import Loopback, researcher

KEY, TRACER, PASSWORD = "sk-canary-traced-0123456789", "lsv2-canary-9876543210", "canary-in-an-address"
SESSION = """
import sys
from pathlib import Path
from langchain_core.tracers.langchain import wait_for_all_tracers
from studio import Studio
from agents.errors import ModelError
from agents.models import open_model

studio = Studio(Path(sys.argv[1]))
wire = studio.models["wire"] = open_model("wire", "proposer", seed=0)
wire.first_wait = 0.01
try:
    studio.start(experiments=1, proposer="wire", critic="wire", analyst="wire")
except ModelError as error:
    print(error)
studio.resume("last")
wait_for_all_tracers()
"""


class Tracer(BaseHTTPRequestHandler):
    heard: list[bytes]

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return self._answer(b"".join(parts))
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.heard.append(body + str(self.headers.get("Authorization")).encode())
        self.send_response(202)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def test_a_traced_session_sends_no_secret_and_writes_none(tmp_path):
    heard: list[bytes] = []
    tracer = ThreadingHTTPServer(("127.0.0.1", 0), type("Heard", (Tracer,), {"heard": heard}))
    threading.Thread(target=tracer.serve_forever, daemon=True).start()
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    with Loopback(researcher, [(429, {"Retry-After": "0"}), "echo_key", (401, {}), "error_body"]) as server:
        wire = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.url.replace("//", f"//me:{PASSWORD}@"),
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": TRACER,
            "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{tracer.server_port}",
            "LANGSMITH_DISABLE_RUN_COMPRESSION": "true",
            "PYTHONPATH": path,
        }
        command = [sys.executable, "-c", SESSION, str(tmp_path)]
        done = subprocess.run(command, env={**os.environ, **wire}, capture_output=True, timeout=240)
    tracer.shutdown()
    tracer.server_close()
    assert done.returncode == 0, done.stderr.decode()
    assert b"did not answer" in done.stdout
    sent = b"".join(heard)
    assert b"criticise" in sent, "the nodes are traced"
    assert b"did not answer" in sent, "and what they raise"
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    for secret in (KEY, TRACER, PASSWORD):
        for text in (sent, done.stdout, done.stderr, *written):
            at = text.find(secret.encode())
            assert at < 0, text[max(0, at - 200) : at + 60]
