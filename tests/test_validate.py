"""``validate`` trains what it chose, and sets three numbers side by side."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

import nasurge
from nasurge.benchmarks.validate import choose
from nasurge.data.tables import Table
from nasurge.errors import LabelError, ParameterError


@pytest.fixture(scope="module")
def found(analog: Table, tmp_path_factory: pytest.TempPathFactory):
    return nasurge.validate(
        "nb201-analog/cifar10",
        "gp",
        top=2,
        spread=4,
        limit=200,
        epochs=1,
        width=4,
        jobs=2,
        out=tmp_path_factory.mktemp("validate") / "study",
    )


def test_the_table_value_is_the_tables(found, analog: Table) -> None:
    assert len(found.architectures) == 6
    for entry in found.architectures:
        codes = analog.space.parse(entry["architecture"])
        value = analog.lookup(codes, task="cifar10", metric="baseline_accuracy")
        assert entry["table_value"] == value[0]
        assert 0 <= entry["trained_accuracy"] <= 100
        assert entry["train_seconds"] > 0


def test_the_top_is_predicted_above_the_spread(found) -> None:
    top = [e["predicted"] for e in found.architectures if e["group"] == "top"]
    spread = [e["predicted"] for e in found.architectures if e["group"] == "spread"]
    assert len(top) == 2
    assert min(top) >= max(spread)


def test_correlations_are_what_scipy_gives(found) -> None:
    assert [(c["a"], c["b"]) for c in found.correlations] == [
        ("predicted", "table_value"),
        ("predicted", "trained_accuracy"),
        ("table_value", "trained_accuracy"),
    ]
    for entry in found.correlations:
        x, y = ([a[entry[side]] for a in found.architectures] for side in ("a", "b"))
        assert entry["kendall_tau"]["mean"] == pytest.approx(kendalltau(x, y)[0])
        assert entry["n"] == 6


def test_the_report_is_written(found) -> None:
    text = (found.folder / "report.html").read_text()
    assert text.count("<svg") == 1
    assert all(e["architecture"] in text for e in found.architectures)


def test_choosing_leaves_out_twins() -> None:
    scores = np.array([1.0, 5.0, 5.0, 4.0, 3.0, 2.0, 0.0])
    functions = np.array([0, 1, 1, 2, 3, 4, 5])
    top, spread = choose(scores, functions, top=1, spread=3)
    assert top.tolist() == [1]
    assert spread.tolist() == [3, 5, 6]
    with pytest.raises(LabelError, match="6 different functions"):
        choose(scores, functions, top=4, spread=3)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no networks to train"):
        nasurge.validate("nbgraph/cora", "gp", out=tmp_path / "a")
    with pytest.raises(ParameterError, match="takes one task, received 9"):
        nasurge.validate("nbgraph", "gp", out=tmp_path / "b")
    with pytest.raises(ParameterError, match="spread at least"):
        nasurge.validate("nb201-analog/cifar10", "gp", spread=1, out=tmp_path / "c")
