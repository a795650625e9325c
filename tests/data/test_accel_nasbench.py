"""The archive of Accel-NASBench: a JSON file for each network, packed or unpacked."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from strategies import accel_networks

from nasurge.data.networks import network_costs
from nasurge.data.sources import make_source, read_tables
from nasurge.data.tables import Table
from nasurge.errors import DataFileError, LimitError, NasurgeError

FOLDER = "anb_dataset_jsons"


def packed(path: Path, files: dict[str, bytes], *, kind: str = "gz") -> Path:
    """Tar archive of a folder with files."""
    with tarfile.open(path, f"w:{kind}") as archive:
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def contents(networks: list[dict]) -> dict[str, bytes]:
    """Files of networks by name."""
    return {f"result_{k}.json": json.dumps(n).encode() for k, n in enumerate(networks)}


def same(one: Table, other: Table) -> bool:
    """Whether two tables hold the same."""
    pairs = zip(one.data, other.data, strict=True)
    return (
        one.columns == other.columns
        and np.array_equal(one.codes, other.codes)
        and all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    )


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_an_archive_is_a_table_and_so_is_its_folder(kind, tmp_path) -> None:
    networks = accel_networks(12)
    files = {"._result_0.json": b"\x00", "README": b"words", **contents(networks)}
    [table] = read_tables(packed(tmp_path / "anb", dict(sorted(files.items())), kind=kind))
    assert table.space.format(table.codes) == [json.dumps(n["architecture"]) for n in networks]
    assert table.values(task="imagenet", metric="accuracy").tolist() == [60 + k for k in range(12)]
    latency = table.values(task="imagenet", metric="zcu102-latency")
    assert latency.tolist() == [5 + k for k in range(12)]
    down = {column.source for column in table.columns if column.minimise}
    assert down == {"train_time", "macs", "params", "latency_zcu102"}
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert same(*read_tables(folder), table)


def test_networks_of_several_files_have_means_and_what_is_null_is_missing(tmp_path) -> None:
    networks = accel_networks(3)
    networks[2]["architecture"] = networks[0]["architecture"]
    networks[2]["platform_perf"]["throughput_a100"]["throughput_mean"] = None
    networks[1]["platform_perf"]["latency_zcu102"]["latency_mean"] = None
    [table] = read_tables(packed(tmp_path / "anb.tar.gz", contents(networks)))
    assert len(table) == 2
    assert table.values(task="imagenet", metric="val_top1").tolist() == [61, 61]
    assert table.values(task="imagenet", metric="throughput_a100").tolist() == [5, 6]
    assert np.isnan(table.values(task="imagenet", metric="latency_zcu102")).tolist() == [
        False,
        True,
    ]
    assert "3 files of 2 networks" in table.imported.runs[0]
    assert table.imported.unmeasured == ("'latency_zcu102' of 1 of 2 architectures",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"architecture": {"block0_e": 4}}, "no value of"),
        ({"architecture": 1}, "does not hold"),
        ({"metrics": {"val_top1": 1.0}}, "no 'val_top5'"),
        ({"metrics": {"val_top1": True}}, "is no number"),
        ({"metrics": {"val_top1": float("inf")}}, "is no number"),
        ({"model_info": {"macs": "many", "params": 1}}, "is no number"),
        ({"model_info": {"macs": 10**400, "params": 1}}, "does not hold"),
        ({"platform_perf": {"latency_x": {}}}, "no 'latency_mean'"),
        ({"platform_perf": []}, "does not hold"),
    ],
)
def test_a_damaged_member_is_named(change, why, tmp_path) -> None:
    networks = accel_networks(3)
    networks[1] |= change
    path = packed(tmp_path / "anb.tar.gz", contents(networks))
    with pytest.raises(DataFileError, match=why) as raised:
        read_tables(path)
    assert f"{FOLDER}/result_1.json of {path}" in str(raised.value)


@pytest.mark.parametrize("content", [b'{"architecture": {', b"\xff", b"[]", b"{}", b"[" * 5000])
def test_a_member_that_is_no_object_is_named(content, tmp_path) -> None:
    files = contents(accel_networks(2)) | {"result_7.json": content}
    with pytest.raises(NasurgeError, match=r"result_7\.json of"):
        read_tables(packed(tmp_path / "anb.tar", files, kind=""))


def test_archives_that_are_cut_or_over_the_limits_are_refused(tmp_path, monkeypatch) -> None:
    path = packed(tmp_path / "anb.tar.gz", contents(accel_networks(40)))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(path.read_bytes()[:-40])
    assert make_source("accel-nasbench").accepts(cut)
    with pytest.raises(DataFileError, match="damaged or cut"):
        read_tables(cut)
    monkeypatch.setenv("NASURGE_LIMITS", "members=20")
    with pytest.raises(LimitError, match="members"):
        read_tables(path)


def test_other_archives_are_not_taken_for_it(tmp_path) -> None:
    accepts = make_source("accel-nasbench").accepts
    other = json.dumps({"architecture": {"a": 1}}).encode()
    assert not accepts(packed(tmp_path / "a.tar", {"result_0.json": other}))
    assert not accepts(packed(tmp_path / "b.tar", {"table.csv": b"cell,accuracy\n"}))
    assert not accepts(packed(tmp_path / "c.tar", {}))


def test_the_published_archive_is_a_table(reference: Path) -> None:
    [table] = read_tables(reference / "benchmarks" / "accel_nasbench.tar.gz")
    assert len(table) == 5125
    assert table.imported.rows == 5138
    assert len(table.columns) == 13
    for cost in ("flops", "parameters"):
        stored = table.values(task="imagenet", metric=cost)
        assert network_costs(table.space, table.codes, cost) == pytest.approx(stored, abs=1e-9)
