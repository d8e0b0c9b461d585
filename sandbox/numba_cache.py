"""Lets Numba use a compiled cache that it may not write to: in the image, the root is read-only."""

from __future__ import annotations

from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


class ReadOnlyCache(UserProvidedCacheLocator):
    """``NUMBA_CACHE_DIR``, without Numba's trial of writing to it first."""

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)
