"""The plug-in keeps the contracts that NASurge's own classes keep."""

import json

import nasurge
import pytest
from nasurge.testing.predictor import PREDICTOR_CHECKS
from nasurge.testing.searcher import SEARCHER_CHECKS
from nasurge.testing.source import SOURCE_CHECKS
from nasurge.testing.space import SPACE_CHECKS
from nasurge_depth import Depth, Sweep, Tower, TowerJSON

TABLE = nasurge.load_table("nb201-analog")
LABELS = TABLE.values(task="cifar10", metric="baseline_accuracy")


@pytest.mark.parametrize("check", PREDICTOR_CHECKS, ids=lambda check: check.__name__)
def test_depth(check):
    def make(*, seed):
        return Depth(TABLE.space, seed=seed)

    check(make, TABLE.codes[::150], LABELS[::150])


@pytest.mark.parametrize("check", SEARCHER_CHECKS, ids=lambda check: check.__name__)
def test_sweep(check):
    check(Sweep, TABLE.space)


@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
def test_tower(check):
    check(Tower())


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
def test_tower_json(check, tmp_path):
    space, path = Tower(), tmp_path / "towers.json"
    path.write_text(json.dumps(dict(zip(space.format(space.all_codes()), range(81), strict=True))))
    check(TowerJSON, path)
