"""Values of architectures that are computed once and kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ...errors import NasurgeError, StorageError
from ..files import atomic_write, read_npz
from ..types import Keys, Values

Groups = tuple[tuple[str, ...], ...]

_CHUNK = 128


class Computed:
    """Named values of architectures in one file, computed when they are first asked for.

    The file is written beside and renamed. Processes may use it at the same time: each adds to it
    what it computed. A file that cannot be read, truncated for one, is as good as none.

    Parameters
    ----------
    path : Path or None
        Of an npz file. What the values depend on belongs in its name. None keeps no file.
    groups : tuple of tuple of str
        Names of the values; those of one group are computed together.
    """

    def __init__(self, path: Path | None, groups: Groups) -> None:
        self.path = path
        self.groups = groups
        self.columns = sorted(name for group in groups for name in group)
        self.ids: Keys = np.empty(0, dtype=np.int64)
        self.values = np.empty((0, len(self.columns)))  # NaN where one was not computed

    def get(
        self,
        ids: Keys,
        names: Sequence[str],
        compute: Callable[[Keys, Sequence[str]], Values],
    ) -> Values:
        """Values of architectures, shape (n, k), computed where the file lacks them.

        Parameters
        ----------
        ids : ndarray of int or bytes, shape (n,)
            The architectures' identities; any may occur twice.
        names : sequence of str
        compute : callable
            From identities and names to values.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        if not len(self.ids):
            self.ids = np.empty(0, ids.dtype)
        wanted = [self.columns.index(name) for name in names]
        names = [name for group in self.groups if set(group) & set(names) for name in group]
        if len(self._missing(ids, names)):
            self._read()
        # In an order of its own and looking again before each chunk, so that processes which need
        # the same architectures share the work.
        todo = np.random.default_rng().permutation(self._missing(ids, names))
        for first in range(0, len(todo), _CHUNK):
            chunk = self._missing(todo[first : first + _CHUNK], names)
            if len(chunk):
                values = np.full((len(chunk), len(self.columns)), np.nan)
                values[:, [self.columns.index(name) for name in names]] = compute(chunk, names)
                self._add(chunk, values)
                self._write()
        found: Values = self.values[np.searchsorted(self.ids, ids)][:, wanted]
        return found

    def _missing(self, ids: Keys, names: Sequence[str]) -> Keys:
        """Architectures, each once, of which some of ``names`` is not known."""
        ids = np.unique(ids)
        columns = [self.columns.index(name) for name in names]
        known = self.ids[~np.isnan(self.values[:, columns]).any(axis=1)]
        return ids[~np.isin(ids, known)]

    def _add(self, ids: Keys, values: Values) -> None:
        every = np.union1d(self.ids, ids)
        merged = np.full((len(every), len(self.columns)), np.nan)
        for some, known in ((self.ids, self.values), (ids, values)):
            rows = np.searchsorted(every, some)
            merged[rows] = np.where(np.isnan(known), merged[rows], known)
        self.ids, self.values = every, merged

    def _read(self) -> None:
        """Add what the file holds; one that cannot be read is as good as none."""
        if self.path is None:
            return
        try:
            file = read_npz(self.path, names=("ids", "values"))
        except NasurgeError:
            return
        ids, values = file["ids"], file["values"]
        plain = ids.ndim == 1 and ids.dtype.kind == self.ids.dtype.kind and values.dtype.kind == "f"
        if plain and values.shape == (len(ids), len(self.columns)):
            self._add(ids, values)

    def _write(self) -> None:
        """Write all that is known, here or in the file."""
        import filelock

        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.path.with_suffix(".lock"), timeout=300):
                self._read()
                with atomic_write(self.path) as file:
                    np.savez(file, ids=self.ids, values=self.values)
        except OSError as error:
            raise StorageError(f"cannot write {self.path}: {error}") from error


@cache
def kept_values(path: Path, groups: Groups) -> Computed:
    """Values kept in a file, the same object throughout the process."""
    return Computed(path, groups)
