"""Every reader and files that are damaged or hostile: an error of ours, or the content."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("a bound on the memory of a fork is asked of Linux", allow_module_level=True)

from cases import Corpus
from corpus import GROUPS
from sandbox import LIMITS, outcome

SEED = 20
LEAST = {"tables": 110, "images": 140, "arrays": 45, "learnt": 160, "studies": 80, "searches": 70}
"""Files of a group."""


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("group", GROUPS)
def test_no_file_does_more_than_be_refused(group, old_home, tmp_path, monkeypatch) -> None:
    """Nothing of it runs, crashes, ends in a traceback, takes too much or is written elsewhere."""
    monkeypatch.setenv("NASURGE_LIMITS", LIMITS)
    corpus = Corpus(tmp_path, SEED)
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    cases = list(GROUPS[group](corpus))
    for case in cases:
        if case.name.endswith("whole"):  # what it takes is imported once, before the forks
            case.read()
    before = _places(tmp_path)
    faults, read = [], []
    for case in cases:
        found = outcome(case.read, inside)
        if found.kind == "read" and not case.harmless:
            read.append(case.name)
        elif found.kind not in ("read", "refused"):
            faults.append(f"{case.name}: {found.kind}: {found.message}")
    assert not faults, "\n".join(faults)
    assert not read, f"read as if it were whole: {read}"
    assert not corpus.canary.exists()
    assert _places(tmp_path) - before == set(), "files were written where none belongs"
    assert len(cases) >= LEAST[group]


def _places(folder: Path) -> set[str]:
    """All files below a folder, but those that a report or a lock is."""
    return {
        str(Path(where, name))
        for where, _, names in os.walk(folder)
        for name in names
        if name != "report.html" and not name.endswith(".lock")
    }
