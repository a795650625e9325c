"""What an import made of a file: said once at import, kept with the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_HEADINGS = {
    "read": "read",
    "recognised": "recognised",
    "runs": "runs",
    "left_out": "left out",
    "unmeasured": "not measured",
    "minimised": "smaller is better",
    "maximised": "bigger is better",
}


@dataclass(frozen=True)
class ImportNotes:
    """What was recognised in a file, and what was left out of it.

    Attributes
    ----------
    rows : int
        Rows of the file that the table is made of.
    read : tuple of str
        How the file and its architectures are written.
    recognised : tuple of str
        What the columns and the architectures are taken as, and whether that is a guess.
    runs : tuple of str
        What became tasks, epochs and runs, and what is a mean of how many.
    left_out : tuple of str
        Columns and rows that are not in the table, and why.
    unmeasured : tuple of str
        Columns with gaps, and how many architectures they have no value of.
    minimised, maximised : tuple of str
        Names of the columns of which smaller, or bigger, is better.
    """

    rows: int
    read: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    minimised: tuple[str, ...] = ()
    maximised: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON values of the notes."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImportNotes:
        """Notes that ``as_dict`` gave."""
        # Notes of an earlier version lack what is newer.
        texts = {key: tuple(map(str, values.get(key, ()))) for key in _HEADINGS}
        return cls(int(values["rows"]), **texts)

    def lines(self) -> list[str]:
        """One line for each thing there is to say."""
        lines = [f"rows: {self.rows:,}"]
        for key, heading in _HEADINGS.items():
            if said := getattr(self, key):
                lines.append(f"{heading}: {'; '.join(said)}")
        return lines
