"""Every error raised on purpose: one root, whose leaves are also the built-in to be caught.

A message says what was wrong, what was received, what is allowed and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class NasurgeError(Exception):
    """Root of all errors raised on purpose; the command line prints one line and exits with 2."""


def close_matches(name: str, known: Iterable[str]) -> list[str]:
    """Known names that one may have been meant to be, nearest first."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


class UnknownNameError(NasurgeError, KeyError):
    """A table, task, metric, predictor, searcher or space that does not exist."""

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        *,
        hint: str = "",
        near: Sequence[str] | None = None,
    ) -> None:
        known = list(known)
        message = f"unknown {kind} {name!r}"
        near = close_matches(name, known) if near is None else near
        if near:
            message += f"; did you mean {' or '.join(map(repr, near))}?"
        if known and (not near or len(known) <= 8):
            shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            message += f"; known: {shown}"
        if hint:
            message += f" ({hint})"
        super().__init__(message)
        self.kind, self.name, self.known = kind, name, known

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_unknown_name, (self.args[0], self.kind, self.name, self.known))


def _rebuild_unknown_name(message: str, kind: str, name: str, known: list[str]) -> UnknownNameError:
    """Rebuild the error in the parent of a worker process."""
    error = UnknownNameError.__new__(UnknownNameError)
    Exception.__init__(error, message)
    error.kind, error.name, error.known = kind, name, known
    return error


class ArchitectureError(NasurgeError, ValueError):
    """An architecture (string or codes) that is not in its space."""

    reason: str = ""
    """What alone is wrong with it, where one string was read."""


class LabelError(NasurgeError, ValueError):
    """Labels that cannot be learnt from: NaN, infinite, all equal, too few or too many."""


class NotFittedError(NasurgeError, ValueError, AttributeError):
    """A predictor was asked before it was fitted."""


class SchemaError(NasurgeError, ValueError):
    """A table's description, or a file that does not fit its description."""


class DataFileError(NasurgeError, ValueError):
    """A file that is truncated, empty, foreign or damaged."""


class UnsafePickleError(DataFileError):
    """A pickle that names a class which is not on the allow-list; nothing of it was executed."""


class LimitError(DataFileError):
    """A file that would take more memory or time than the limits allow: see ``NASURGE_LIMITS``."""


class StorageError(NasurgeError, OSError):
    """A folder or file that cannot be written or read (full disk, read-only, missing)."""


class ParameterError(NasurgeError, ValueError):
    """An argument outside its allowed values."""


class IncompatibleDonorError(ParameterError):
    """What was learnt on another task cannot start this search: its space is another one."""


class WorkerError(NasurgeError, RuntimeError):
    """A worker process that died: out of memory, or killed."""


class StoppedError(NasurgeError, TimeoutError):
    """A run that has reached its time limit; what it has done is kept."""


class DeviceError(NasurgeError, RuntimeError):
    """A device that was asked for by name and is not there."""


class OutOfMemoryError(DeviceError):
    """A device without the memory for what it was to compute; the message names the module."""


class MissingExtraError(NasurgeError, ImportError):
    """An optional package that is not installed; the message names the extra."""


class PluginError(NasurgeError, ImportError):
    """A plug-in that cannot be imported, or is not what its entry point says."""


class ExhaustedError(NasurgeError, RuntimeError):
    """Every architecture of the space, or of the allowed pool, has been asked or told."""


class ObjectiveError(NasurgeError, RuntimeError):
    """An objective that raises whatever it is given, or returns something else than values."""

    trace: Any = None
    """What the search had evaluated before, a ``nasurge.search.Trace``; None where it is kept."""


class InfeasibleError(NasurgeError, ValueError):
    """Constraints that no architecture meets; the message says which bound excludes everything."""
