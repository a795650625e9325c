"""The page on a training function of one's own, word for word, killed and shared on its way."""

from __future__ import annotations

import re
import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pages import PAGES, blocks, shown
from processes import killed_and_shared

import nasurge

PAGE = PAGES / "your-training.md"
COMMAND = shlex.split(re.search(r"^\$ nasurge (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)[1])
VALUES = """
    select trials.number, objective, value from trials join trial_values using (trial_id)
    where state = 'COMPLETE'
"""


def evaluated(folder: Path) -> dict[tuple[int, int], float]:
    """Values of the trials that are done, by the numbers of trial and objective."""
    if not (folder / "searches.db").exists():
        return {}
    with closing(sqlite3.connect(folder / "searches.db", timeout=60)) as database:
        try:
            rows = database.execute(VALUES).fetchall()
        except sqlite3.OperationalError:  # its tables are being made
            return {}
    return {(trial, objective): value for trial, objective, value in rows}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
def test_a_training_function_leads_to_a_front_and_an_exported_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "training", raising=False)
    for block in blocks(PAGE):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
    before: dict[tuple[int, int], float] = {}

    def done() -> int:
        before.update(evaluated(tmp_path))
        return len(before) // 2

    workers = killed_and_shared(COMMAND, tmp_path, done=done)
    assert 16 <= len(before) < 60
    after = evaluated(tmp_path)
    assert len(after) == 60  # two values of thirty
    # No latency is measured twice alike: what was known at the kill was not evaluated again.
    assert before.items() <= after.items()
    rows = pd.read_parquet("found/rows.parquet")
    assert rows["architecture"].nunique() == len(rows) == 30

    printed, names = shown("your-training.md")
    sys.modules.pop("training", None)
    assert evaluated(tmp_path) == after
    space = nasurge.make_space("layers.toml")
    flops = [names["training"].flops(one) for one in space.to_dicts(space.parse(rows.architecture))]
    assert max(flops) <= 6
    values = np.stack([rows["accuracy"], -rows["latency"]], axis=1)
    beaten = [((values >= own).all(axis=1) & (values > own).any(axis=1)).any() for own in values]
    front = set(rows["architecture"][~np.array(beaten)])
    for told in (printed, *(worker.stdout for worker in workers)):
        lines = "".join(told.split())  # a long name is wrapped
        assert front == {name for name in rows["architecture"] if name in lines}

    assert names["training"].accuracy(names["net"], "test") > 85
    alone = torch.export.load("layers.pt2").module()
    images = names["training"].x[1400:]
    torch.testing.assert_close(alone(images), names["net"](images))
