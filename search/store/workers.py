"""Who is at work on a shared search, and who has died: a note in the study for every worker."""

from __future__ import annotations

import logging
import os
import platform
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .database import Patient

NOTE = "nasurge:worker:"
BEAT = 20.0  # seconds between two signs of life
GRACE = 120.0  # seconds without one after which a worker on another machine counts as dead

logger = logging.getLogger(__name__)

# Workers of this process: a search that was interrupted in a notebook leaves a living process.
_here: set[str] = set()


class Worker:
    """One worker of a search: its note in the study, kept fresh by a thread.

    Of a worker on the same machine it is known at once whether its process lives. Of others only
    the note is seen: it is renewed every 20 s, and one that stays the same for 120 s by the clock
    of whoever looks is that of a dead worker. No two clocks are compared.

    Parameters
    ----------
    storage : Patient
    study_id : int
    """

    def __init__(self, storage: Patient, study_id: int) -> None:
        self.name = uuid.uuid4().hex[:16]
        self._storage, self._study_id = storage, study_id
        self._note: dict[str, Any] = {
            "machine": _machine(),
            "process": os.getpid(),
            "started": _started(os.getpid()),
            "beat": 0,
            "ended": False,
        }
        self._seen: dict[str, tuple[int, float]] = {}
        self._outages = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="nasurge-beat", daemon=True)

    def start(self) -> None:
        """Write the note and keep it fresh."""
        _here.add(self.name)
        self._write()
        self._thread.start()

    def stop(self) -> None:
        """Say in the note that the worker has ended, if there is a database to say it to."""
        _here.discard(self.name)
        self._stop.set()
        self._thread.join()
        self._note["ended"] = True
        if not self._storage.lost:
            self._write()

    def _write(self) -> None:
        self._storage.set_study_system_attr(self._study_id, NOTE + self.name, self._note)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self._note["beat"] += 1
            try:
                self._storage.at_once(
                    "set_study_system_attr", self._study_id, NOTE + self.name, self._note
                )
            except Exception:  # a database that is away for a moment
                logger.info("a sign of life could not be written", exc_info=True)
        self._storage.remove_session()

    def dead(self, names: set[str]) -> set[str]:
        """Those of some other workers that have ended or died."""
        if not names:
            return set()
        notes = self._storage.get_study_system_attrs(self._study_id)
        if self._storage.outages > self._outages:  # nobody could give a sign of life meanwhile
            self._outages, self._seen = self._storage.outages, {}
        return {name for name in names if not self._lives(name, notes.get(NOTE + name))}

    def _lives(self, name: str, note: dict[str, Any] | None) -> bool:
        if note is None or note["ended"]:
            return False
        if note["machine"] == self._note["machine"]:
            if note["process"] == os.getpid():
                return name in _here
            if _started(note["process"]) != note["started"]:
                return False
        beat, since = self._seen.get(name, (None, 0.0))
        if beat != note["beat"]:
            self._seen[name] = (note["beat"], time.monotonic())
            return True
        return time.monotonic() - since < GRACE


def _machine() -> str:
    """Name of this machine, and of the container on it."""
    name = platform.node()
    with suppress(OSError):
        name += " " + os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path, a label
    return name


def _started(process: int) -> str | None:
    """Start of a process, which a later one of its number has not, or None if it has ended."""
    if Path("/proc/self/stat").exists():
        try:
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if after_name[0] in "ZX" else after_name[19]
    if sys.platform == "win32":  # there os.kill(process, 0) would end it
        return ""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
