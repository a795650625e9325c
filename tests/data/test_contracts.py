"""Every space and every format of ours keeps the contract that plug-ins keep."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from strategies import SPACES, accel_networks

from nasurge.data.sources import SOURCES, make_source, read_tables, source_names
from nasurge.data.spaces import Space
from nasurge.data.tables.catalogue import SHIPPED
from nasurge.errors import DataFileError, ParameterError, StorageError
from nasurge.testing.source import SOURCE_CHECKS
from nasurge.testing.space import SPACE_CHECKS


@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_space_keeps_the_contract(space: Space, check: Callable[..., None]) -> None:
    check(space)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each of our formats."""
    csv = tmp_path_factory.mktemp("csv") / "mine.csv"
    csv.write_text("cell,accuracy\n" + "".join(f"{a}-{b},1\n" for a in "abc" for b in "def"))
    strings = SPACES["nb201"].format(SPACES["nb201"].sample(3, seed=0, unique=True))
    entries = {"config": [{"arch_str": s} for s in strings], "pixel3_latency": [1.0, 2.0, 3.0]}
    hardware = csv.with_name("hw.pickle")
    hardware.write_bytes(pickle.dumps({"nasbench201": {"cifar10": entries}}))
    rows = {
        string: {"test_acc": [90.0, 91.0, 92.0], "mean_acc": 91.0}
        for string in ("01201201", "22222222")
    }
    macro = csv.with_name("macro.json")
    macro.write_text(
        json.dumps({k: row | {"params": 1e6, "flops": 5e7} for k, row in rows.items()})
    )
    accel = tmp_path_factory.mktemp("accel")
    for number, network in enumerate(accel_networks(3)):
        (accel / f"result_{number}.json").write_text(json.dumps(network))
    files = {shipped.source: shipped.location() for shipped in SHIPPED.values()}
    return {
        "tabular": csv,
        "hw-nas-bench": hardware,
        "nas-bench-macro": macro,
        "accel-nasbench": accel,
        **files,
    }


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SOURCES)
def test_a_format_keeps_the_contract(
    name: str, check: Callable[..., None], files: dict[str, Path]
) -> None:
    check(make_source(name), files[name])


def test_each_file_is_accepted_by_its_own_format_only(files: dict[str, Path]) -> None:
    for name, path in files.items():
        assert [s for s in source_names() if make_source(s).accepts(path)] == [name]


def test_what_no_format_accepts_names_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "table.bin"
    path.write_bytes(bytes(range(256)))
    for other in (path, tmp_path):
        with pytest.raises(DataFileError, match="tabular: CSV") as caught:
            read_tables(other)
        assert str(other) in str(caught.value)
    with pytest.raises(StorageError, match="no file"):
        read_tables(tmp_path / "nothing.csv")


def test_a_format_that_describes_itself_takes_no_schema(files: dict[str, Path]) -> None:
    for name in ("analog-nasbench", "nas-bench-graph", "hw-nas-bench"):
        with pytest.raises(ParameterError, match="leave out --schema"):
            read_tables(files[name], schema=Path("mine.toml"))
