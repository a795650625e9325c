"""Studies keep what is done, whatever stops them; one process or many give the same rows."""

import json
import math
import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from processes import Process, run_code

from nasurge.benchmarks.studies.journal import (
    Journal,
    fingerprint,
    jsonable,
    read_units,
    write_rows,
)
from nasurge.errors import DataFileError, ParameterError, StorageError

CALLS: list[int] = []


def square(k: int) -> list[dict]:
    CALLS.append(k)
    return [{"k": k, "square": k * k}]


def fails_at_three(k: int) -> list[dict]:
    if k == 3:
        raise ValueError("three")
    return square(k)


UNITS = {f"unit {k}": partial(square, k) for k in range(6)}
FAILING = {f"unit {k}": partial(fails_at_three, k) for k in range(6)}


def test_a_finished_study_is_only_read(tmp_path: Path) -> None:
    first = Journal(tmp_path, {"kind": "test"}).run(UNITS, jobs=1)
    CALLS.clear()
    seen = []
    again = Journal(tmp_path, {"kind": "test"})
    progress = lambda *step: seen.append(step)  # noqa: E731
    assert again.run(UNITS, jobs=1, progress=progress) == first
    assert CALLS == []
    assert seen == [(6, 6, "")]


def test_what_was_done_before_an_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="three"):
        Journal(tmp_path, {"kind": "test"}).run(FAILING, jobs=1)
    study = Journal(tmp_path, {"kind": "test"})
    assert list(study.done) == ["unit 0", "unit 1", "unit 2"]
    CALLS.clear()
    rows = study.run(UNITS, jobs=1)
    assert CALLS == [3, 4, 5]
    assert [row["square"] for row in rows] == [0, 1, 4, 9, 16, 25]


def test_rows_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    one = Journal(tmp_path / "one", {}).run(UNITS, jobs=1)
    two = Journal(tmp_path / "two", {}).run(UNITS, jobs=2)
    assert one == two


def test_a_half_written_line_is_done_again(tmp_path: Path) -> None:
    Journal(tmp_path, {}).run(UNITS, jobs=1)
    journal = tmp_path / "rows.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-9])
    CALLS.clear()
    Journal(tmp_path, {}).run(UNITS, jobs=1)
    assert CALLS == [5]
    assert journal.read_bytes() == whole


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    Journal(tmp_path, {}).run(UNITS, jobs=1)
    journal = tmp_path / "rows.jsonl"
    lines = journal.read_text().split("\n")
    lines[2] = lines[2][:10]
    journal.write_text("\n".join(lines))
    with pytest.raises(DataFileError, match="line 3"):
        Journal(tmp_path, {})


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path, {"kind": "compare", "seed": 0})
    with pytest.raises(ParameterError, match=r"different: seed.*--out"):
        Journal(tmp_path, {"kind": "compare", "seed": 1})


def test_a_study_grows_and_gives_what_is_asked(tmp_path: Path) -> None:
    def ask(about: dict, ks: list[int]) -> list[int]:
        CALLS.clear()
        study = Journal(tmp_path, {"seed": 0, **about}, grows=("trials", "names"))
        rows = study.run({f"unit {k}": partial(square, k) for k in ks}, jobs=1)
        return [row["k"] for row in rows]

    assert ask({"trials": 2, "names": ["a"]}, [0, 1]) == [0, 1]
    assert ask({"trials": 4, "names": ["a"]}, [0, 1, 2, 3]) == [0, 1, 2, 3]
    assert CALLS == [2, 3]
    assert ask({"trials": 1, "names": ["b", "a"]}, [5, 0]) == [5, 0]
    assert CALLS == [5]
    kept = {"seed": 0, "trials": 4, "names": ["a", "b"]}
    assert json.loads((tmp_path / "study.json").read_text()) == kept
    with pytest.raises(ParameterError, match=r"different: seed\)"):
        Journal(tmp_path, {**kept, "trials": 9, "seed": 1}, grows=("trials", "names"))
    with pytest.raises(ParameterError, match=r"different: more\)"):
        Journal(tmp_path, {**kept, "more": 1}, grows=("trials", "names"))
    assert len(read_units(tmp_path)) == 5


def test_two_runs_in_one_folder_do_not_mix(tmp_path: Path) -> None:
    first, second = Journal(tmp_path, {}), Journal(tmp_path, {})

    def meanwhile(done: int, total: int, unit: str) -> None:
        if done == 1:
            with pytest.raises(ParameterError, match=r"another run is working.*--out"):
                second.run(UNITS, jobs=1)

    assert len(first.run(UNITS, jobs=1, progress=meanwhile)) == 6
    CALLS.clear()
    assert len(second.run(UNITS, jobs=1)) == 6
    assert CALLS == [], "what the first run did is done again"
    assert {path.name for path in tmp_path.iterdir()} == {"study.json", "rows.jsonl"}


def test_a_run_that_did_nothing_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with pytest.raises(ValueError, match="three"):
        Journal(folder, {}).run({"only": partial(fails_at_three, 3)}, jobs=1)
    assert not folder.exists()
    with pytest.raises(ParameterError, match="not 0"):
        Journal(folder, {}).run(UNITS, jobs=0)
    assert not folder.exists()


def test_results_without_a_description_are_refused(tmp_path: Path) -> None:
    Journal(tmp_path, {"seed": 0}).run(UNITS, jobs=1)
    (tmp_path / "study.json").unlink()
    with pytest.raises(DataFileError, match=r"study\.json is missing"):
        Journal(tmp_path, {"seed": 1})


def test_a_full_disk_is_a_clear_error_and_keeps_the_finished(tmp_path: Path) -> None:
    study = Journal(tmp_path, {})
    study.run(UNITS, jobs=1)
    (tmp_path / "rows.jsonl").rename(tmp_path / "kept")
    (tmp_path / "rows.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageError, match=r"No space left.*6 finished units are kept"):
        study.add("more", [{"k": 1}])
    (tmp_path / "rows.jsonl").unlink()
    (tmp_path / "kept").rename(tmp_path / "rows.jsonl")
    assert len(read_units(tmp_path)) == 6


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file.*--out"):
        Journal(tmp_path / "file" / "below", {})


def test_json_has_no_nan_and_no_numpy() -> None:
    found = jsonable({"a": np.float64(np.nan), 1: np.arange(2), "c": (np.equal(1, 1), math.inf)})
    assert json.dumps(found, allow_nan=False) == '{"a": null, "1": [0, 1], "c": [true, null]}'


def test_fingerprints_tell_studies_apart() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_rows_are_written_twice_alike(tmp_path: Path) -> None:
    import pandas as pd

    path = write_rows(tmp_path, [{"a": 1, "b": "x"}, {"a": 2, "b": None}])
    parquet, csv = pd.read_parquet(path), pd.read_csv(tmp_path / "rows.csv")
    assert parquet["a"].tolist() == csv["a"].tolist() == [1, 2]


SCRIPT = """
    import sys, time
    from functools import partial
    from pathlib import Path
    from nasurge.benchmarks.studies import Journal

    def slow(k):
        time.sleep(0.02)
        return [{"k": k}]

    if __name__ == "__main__":
        trials = int(sys.argv[3])
        units = {str(k): partial(slow, k) for k in range(trials)}
        study = Journal(Path(sys.argv[1]), {"trials": trials}, grows=("trials",))
        study.run(units, jobs=int(sys.argv[2]))
"""


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stopped_study_goes_on_and_grows(tmp_path: Path, stop: signal.Signals, jobs: int) -> None:
    """Stopped at several moments, the told units are those of an uninterrupted run, each once."""
    folder = tmp_path / "study"
    journal = folder / "rows.jsonl"
    for wanted, trials in ((5, "30"), (20, "30"), (40, "60")):
        process = Process(run_code, SCRIPT, str(folder), str(jobs), trials, folder=tmp_path)
        while process.running():
            if journal.exists() and journal.read_bytes().count(b"\n") >= wanted:
                os.killpg(process.pid, stop)
                break
            time.sleep(0.01)
        process.end()
    assert Process(run_code, SCRIPT, str(folder), str(jobs), "60", folder=tmp_path).end() == 0
    units = [json.loads(line)["unit"] for line in journal.read_text().splitlines()]
    assert sorted(units, key=int) == [str(k) for k in range(60)]
    assert json.loads((folder / "study.json").read_text()) == {"trials": 60}
