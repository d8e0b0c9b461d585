"""A problem's half in the zygote: a package that came as text, and what Numba once made of it.

Both come from the host and are loaded before any fork. Numba keeps compiled functions as pickles, so who may
write them matters: only a zygote that has not forked yet makes them (learn), the host stores them unread
(sandbox/compiled.py), and only zygotes load them. A program can neither write to them nor to the store.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import pickle
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, ClassVar

import numba
import numpy as np
from numba.core import caching, config
from numba.core.serialize import dumps

from sandbox import channel
from sandbox.channel import Buffer


def learn(name: str, files: dict[str, str], compiled: Buffer) -> tuple[dict[str, Any], bytes]:
    """Import ``files`` (path inside the package -> source) as package ``name``.

    ``compiled`` is what an earlier call returned, or empty. Returns the package's namespace and, where Numba
    had to compile, the compiled functions for the next zygote, else ``b""``. Raises what the package raises.
    """
    KeptInMemory.known = _unpacked(compiled)
    KeptInMemory.used = {}
    package = SentPackage(name, files)
    sys.meta_path.append(package)
    try:
        namespace = vars(importlib.import_module(name))
    except BaseException:
        sys.meta_path.remove(package)
        for module in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[module]
        raise
    fresh = KeptInMemory.used.keys() - KeptInMemory.known.keys()
    return namespace, _packed(KeptInMemory.used) if fresh else b""


class SentPackage(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """A package whose modules are texts; they import each other relatively (``from .games import Game``)."""

    def __init__(self, name: str, files: dict[str, str]) -> None:
        self._modules = {}
        for path, text in files.items():
            parts = [name, *PurePosixPath(path).with_suffix("").parts]
            is_package = parts[-1] == "__init__"
            self._modules[".".join(parts[:-1] if is_package else parts)] = (f"rule/{path}", text, is_package)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname in self._modules else None

    def get_filename(self, fullname: str) -> str:
        return self._modules[fullname][0]

    def get_source(self, fullname: str) -> str:
        return self._modules[fullname][1]

    def is_package(self, fullname: str) -> bool:
        return self._modules[fullname][2]


class KeptInMemory:
    """Stands in for Numba's pair of cache files: same methods, no file."""

    known: ClassVar[dict[str, bytes]] = {}
    """From an earlier zygote."""
    used: ClassVar[dict[str, bytes]] = {}
    """Loaded or made by this import."""

    def __init__(self, cache_path: str, filename_base: str, source_stamp: str) -> None:
        self._name = (numba.__version__, cache_path, filename_base)

    def save(self, key: object, data: object) -> None:
        self.used[repr((self._name, key))] = dumps(data)

    def load(self, key: object) -> object:
        """``key`` names signature, processor and bytecode: what fits none of them is compiled anew."""
        entry = repr((self._name, key))
        if entry not in self.known:
            return None
        self.used[entry] = self.known[entry]
        return pickle.loads(self.known[entry])

    def flush(self) -> None:
        self.used.clear()


class Locator(caching._CacheLocator):
    """Finds a place for every function, whether its source is a file or not."""

    def __init__(self, function: Callable[..., object], path: str) -> None:
        self._py_file, self._line = path, function.__code__.co_firstlineno

    def ensure_cache_path(self) -> None:
        pass

    def get_cache_path(self) -> str:
        return self._py_file

    def get_source_stamp(self) -> str:
        return ""  # the package's name is a hash of its source

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., object], path: str) -> Locator:
        return cls(function, path)


def _packed(entries: dict[str, bytes]) -> bytes:
    return channel.pack_setup({name: np.frombuffer(data, np.uint8) for name, data in entries.items()}, [])


def _unpacked(compiled: Buffer) -> dict[str, bytes]:
    if not compiled:
        return {}
    return {name: array.tobytes() for name, array in channel.unpack_setup(compiled)[0].items()}


vars(caching)["IndexDataCacheFile"] = KeptInMemory
vars(config)["CACHE_LOCATOR_CLASSES"] = ""
caching.CacheImpl._locator_classes = [Locator]
