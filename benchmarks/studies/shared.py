"""The folder of a study to which several processes add at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ...data.files import make_folder
from .journal import Journal, Row, Unit, fingerprint, read_units


class SharedJournal(Journal):
    """A study's folder that several processes work in, each at units of its own.

    A unit that another process is at is waited for and then read. What a process that died was at
    is called by whoever wants it next.
    """

    @contextmanager
    def _alone(self, units: Mapping[str, Unit]) -> Iterator[None]:
        """Keep other processes from calling the same units meanwhile."""
        locks = {f".{fingerprint({'unit': name})}.lock" for name in units}
        with ExitStack() as held:
            held.callback(self._forget_if_empty)
            make_folder(self.folder)
            for lock in sorted(locks):  # in one order: no two wait for each other
                held.enter_context(self._locked(lock, wait=True))
            with self._locked(wait=True):
                self.done |= read_units(self.folder)
            yield

    def add(self, unit: str, rows: Sequence[Row]) -> None:
        """Keep the rows of a finished unit, as ``Journal.add``."""
        make_folder(self.folder)
        with self._locked(wait=True):
            super()._end_line()
            super().add(unit, rows)

    def _end_line(self) -> None:
        """Leave the end of the journal to ``add``: another process may be writing it."""

    def _forget_if_empty(self) -> None:
        """Leave no trace of a study of which nothing could be done, unless somebody is at it."""
        if not any(self.folder.glob(".*.lock")):
            super()._forget_if_empty()
