"""Files and folders as benchmarks publish them: read without running them, or named."""

import pickle

import numpy as np
import pytest

from nasurge.data.sources import read_tables
from nasurge.data.spaces import make_space
from nasurge.errors import DataFileError, ParameterError

NB201 = make_space("nb201")
CODES = NB201.sample(30, seed=3, unique=True)
STRINGS = NB201.format(CODES)
VALUES = np.round(np.random.default_rng(0).uniform(60, 95, len(CODES)), 3)


def values(table, metric):
    """Values of a column, in the order of ``CODES``."""
    return table.lookup(CODES, task="cifar10", metric=metric)


def test_the_pickle_of_hw_nas_bench_is_read(tmp_path) -> None:
    entries = {"config": [{"arch_str": s} for s in STRINGS], "pixel3_latency": VALUES.tolist(),
               "eyeriss_arithmetic_intensity": list(VALUES)}  # fmt: skip
    path = tmp_path / "HW.pickle"
    path.write_bytes(pickle.dumps({"nasbench201": {"cifar10": entries}, "fbnet": {}}))
    [table] = read_tables(path)
    assert table.name == "hw-nas-bench"
    assert np.array_equal(values(table, "pixel3_latency"), VALUES)
    assert table.imported.minimised == ("pixel3_latency",)
    assert np.array_equal(values(table, "eyeriss-arithmetic-intensity"), VALUES)
    with pytest.raises(ParameterError, match="leave out space"):
        read_tables(path, space="nb201")
    path.write_bytes(pickle.dumps({"nasbench201": {"cifar10": {"config": 3}}}))
    with pytest.raises(DataFileError, match="not hold what HW-NAS-Bench holds"):
        read_tables(path)


def test_published_layouts_that_are_not_read_are_named(tmp_path) -> None:
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "meta.pickle.pbz2").write_bytes(b"BZh91AY")
    record = b'["00", 108, "010", "input,output", "x="]'
    (tmp_path / "nb101.tfrecord").write_bytes(
        len(record).to_bytes(8, "little") + bytes(4) + record + bytes(4)
    )
    for name, message in (("nats", "NATS-Bench"), ("nb101.tfrecord", "NAS-Bench-101")):
        with pytest.raises(DataFileError, match=f"{message}.*layouts that are read"):
            read_tables(tmp_path / name)
