"""Commands on damaged and hostile files end with exit code 2 and one line on stderr."""

import pickle
import shutil

import numpy as np
import pytest
from cases import V0, old
from damage import ForgedArray, tar
from forgeries import forged_predictors
from typer.testing import CliRunner

import nasurge
from nasurge.cli import app
from nasurge.errors import DataFileError

pytestmark = pytest.mark.usefixtures("one_thread")


def refused(*arguments: str) -> str:
    """The line that a command ends with."""
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 2, done.output
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("study.json", b"null", "study.json is damaged (null, not an object)"),
        ("study.json", b'{"kind": "\xff"}', "byte 11 is 0xff"),
        ("summary.json", b"{}", "does not hold what a study of its kind writes"),
        ("summary.json", b"[" * 100_000, "limit of depth"),
        ("rows.jsonl", b'{"unit": "\xff"}\n', "line 1 is damaged or no text in UTF-8"),
    ],
)
def test_a_report_of_a_damaged_folder(old_home, tmp_path, file, content, words) -> None:
    folder = shutil.copytree(V0 / "studies" / "warm", tmp_path / "warm")
    (folder / file).write_bytes(content)
    if file == "rows.jsonl":
        (folder / "summary.json").unlink()
    assert words in refused("report", str(folder))


def test_images_that_claim_to_be_objects(tmp_path) -> None:
    batch = pickle.dumps({b"data": np.zeros((9, 3072), np.uint8), b"labels": [0, 1, 2] * 3}, 2)
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    members = {**dict.fromkeys(names, batch), "batches.meta": pickle.dumps({b"label_names": []}, 2)}
    members["data_batch_2"] = pickle.dumps({b"data": ForgedArray(0), b"labels": [1] * 3}, 2)
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(tar({f"cifar-10-batches-py/{k}": v for k, v in members.items()}, "gz"))
    line = refused(
        *("validate", "--space", "nb201", "--random", "2", "--images", str(path)),
        *("--out", str(tmp_path / "out"), "-j", "1"),
    )
    assert "a number of type 'V8'" in line
    assert not (tmp_path / "out").exists()


def test_a_meta_trained_search_with_one_bit_turned_over(tmp_path) -> None:
    path = tmp_path / "search.safetensors"
    path.write_bytes(old("files/at-nas.safetensors"))
    search, about = nasurge.search.at_nas.load_search(path)
    nasurge.search.at_nas.save_search(path, search, about["made"], about["trained"])
    nasurge.search.at_nas.load_search(path)
    content = bytearray(path.read_bytes())
    content[-500] ^= 4
    path.write_bytes(content)
    assert "its checksum does not fit" in refused("meta", "evaluate", str(path))


def test_a_forest_that_never_ends(tmp_path) -> None:
    path = tmp_path / "forest.save"
    path.write_bytes(forged_predictors(old("predictors/rf.save"))["tree-cycle"])
    with pytest.raises(DataFileError, match="a tree whose nodes do not form one"):
        nasurge.load_predictor(path)
