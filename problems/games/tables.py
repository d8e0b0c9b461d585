"""A game as the compiler leaves it: tables in discovery order, and their checked form on disk."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, fields

import numpy as np

from problems.games import GameError

FORMAT = 1
"""Version of the arrays below; another version is another cache entry."""


@dataclass(frozen=True)
class Tables:
    """Sequence form of a game with N players, I infosets, C cells, T terminals, H decision histories.

    A *cell* is the part of an infoset that one own past leads to (the coarsest perfect-recall
    refinement); with perfect recall every infoset is one cell. A *sequence* is a cell and an action.
    Cells, and with them sequences, are numbered over all players in order of discovery; sequence -1
    is the empty one.
    """

    infoset_player: np.ndarray
    """[I] who acts."""
    infoset_actions: np.ndarray
    """[I] number of legal actions."""
    cell_infoset: np.ndarray
    """[C]"""
    cell_parent: np.ndarray
    """[C] own sequence that leads to the cell."""
    terminal_sequences: np.ndarray
    """[T, N] last own sequence of every player."""
    terminal_payoffs: np.ndarray
    """[T, N] chance probability times payoff; terminals that pay nobody are left out."""
    history_cell: np.ndarray
    """[H] cell to which a decision history belongs."""
    history_sequences: np.ndarray
    """[H, N] last own sequence of every player at that history."""
    history_chance: np.ndarray
    """[H] product of chance probabilities on the way."""

    @property
    def players(self) -> int:
        return self.terminal_payoffs.shape[1]

    def sequence_cell(self) -> np.ndarray:
        """[X] cell of each sequence."""
        return np.repeat(np.arange(len(self.cell_infoset)), self.infoset_actions[self.cell_infoset])

    def sequence_entry(self) -> np.ndarray:
        """[X] (infoset, action) of each sequence, numbered infoset by infoset."""
        ends = np.cumsum(self.infoset_actions)[self.cell_infoset]
        sizes = self.infoset_actions[self.cell_infoset]
        return np.arange(int(sizes.sum())) + np.repeat(ends - np.cumsum(sizes), sizes)


def to_bytes(tables: Tables) -> bytes:
    """The tables as an npz archive without pickles, with a sha256 over their contents."""
    arrays = {field.name: getattr(tables, field.name) for field in fields(Tables)}
    stream = io.BytesIO()
    np.savez(stream, checksum=_digest(arrays), **arrays)
    return stream.getvalue()


def from_bytes(data: bytes) -> Tables:
    """Reads what :func:`to_bytes` wrote.

    Raises:
        GameError: the archive is damaged or of another format version.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {field.name: archive[field.name] for field in fields(Tables)}
            checksum = archive["checksum"]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise GameError(f"The compiled game cannot be read ({error}); compile it again.") from error
    if not np.array_equal(checksum, _digest(arrays)):
        raise GameError("The compiled game does not match its checksum; compile it again.")
    return Tables(**arrays)


def _digest(arrays: dict[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.sha256(f"equilibrist game {FORMAT}".encode())
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return np.frombuffer(digest.digest(), dtype=np.uint8)
