"""Published spaces: sizes, official strings, equal functions, costs, and the real rows of each."""

import io
import json
import math
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nasurge
from nasurge.data.networks import has_network_costs, network_costs
from nasurge.data.sources import read_tables
from nasurge.data.spaces import make_space
from nasurge.data.spaces.published import RegNet
from nasurge.errors import ArchitectureError, DataFileError
from nasurge.testing.space import SPACE_CHECKS

NAMES = (
    *("nats-size", "nb-macro", "fbnet", "mnasnet", "ofa-mbv3", "regnet"),
    *("autoformer", "autoformer-s", "autoformer-b"),
)
BENCHMARKS = Path(os.environ.get("NASURGE_DATA", "nowhere")) / "benchmarks"
needs_data = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the published files are not here")


def ofa(**changes):
    """Architecture of once-for-all, as its own code writes it."""
    return {"ks": [3] * 20, "e": [4] * 20, "d": [2, 3, 4, 3, 2], "r": [224]} | changes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
def test_a_published_space_is_a_space(check, name) -> None:
    check(make_space(name))


@pytest.mark.parametrize(
    ("name", "size", "functions"),
    [
        ("nats-size", 32_768, 32_768),
        ("nb-macro", 6_561, 3_969),
        ("fbnet", 9**22, 9 * 9**6 * (1 + 8 + 8**2 + 8**3) ** 5),
        ("mnasnet", 36**6 * 48, 36**6 * 48),
        ("ofa-mbv3", 25 * (9**2 + 9**3 + 9**4) ** 5, 25 * (9**2 + 9**3 + 9**4) ** 5),
        ("autoformer", 3 * (4**12 + 4**13 + 4**14), 3 * (4**12 + 4**13 + 4**14)),
        ("autoformer-s", 3 * (9**12 + 9**13 + 9**14), 3 * (9**12 + 9**13 + 9**14)),
        ("autoformer-b", 3 * (6**14 + 6**15 + 6**16), 3 * (6**14 + 6**15 + 6**16)),
    ],
)
def test_the_size_is_the_published_one(name, size, functions) -> None:
    space = make_space(name)
    assert (space.size, space.n_functions) == (size, functions)


def test_the_sizes_in_words_are_those_of_the_papers() -> None:
    assert round(math.log10(make_space("fbnet").size)) == 21
    assert round(math.log10(make_space("mnasnet").size)) == 11
    assert make_space("ofa-mbv3").size / 25 == pytest.approx(2e19, rel=0.1)


@pytest.mark.parametrize(
    ("name", "string"),
    [
        ("nats-size", "8:16:64:8:32"),
        ("nb-macro", "02012100"),
        ("fbnet", "7-8-1-8-4-8-8-8-7-4-1-4-7-3-2-7-3-2-4-2-4-5"),
        ("ofa-mbv3", json.dumps(ofa(e=[4] * 6 + [3, 3] + [4] * 12))),
    ],
)
def test_official_strings_are_read_and_written(name, string) -> None:
    space = make_space(name)
    code = space.parse(string)
    [written] = space.format(code)
    assert np.array_equal(space.parse([written]), code)
    if name != "ofa-mbv3":  # there inactive layers are written as their first values
        assert written == string


def test_official_forms_of_one_architecture_are_one_row() -> None:
    fbnet = make_space("fbnet")
    names = [fbnet.blocks[k] for k in (*range(9), *range(9), 0, 1, 2, 8)]
    forms = ["0123456780123456780128", "-".join(names), "|".join(names)]
    assert len(np.unique(fbnet.parse(forms), axis=0)) == 1
    mobile = make_space("ofa-mbv3")
    forms = [ofa(), ofa(r=224), str(ofa()), json.dumps(ofa(ks=[3, 3, 7, 0] + [3] * 16))]
    forms += [{k: v for k, v in ofa(wid=None, image_size=224).items() if k != "r"}]
    assert len(np.unique(mobile.parse(forms), axis=0)) == 1
    former = make_space("autoformer")
    ratios, heads = [3.5, 4.0] * 6, [3, 4, 4] * 4
    official = {"DEPTH": 12, "EMBED_DIM": 216, "MLP_RATIO": ratios, "NUM_HEADS": heads}
    forms = [official, json.dumps(official), str((12, *ratios, *heads, 216))]
    assert len(np.unique(former.parse(forms), axis=0)) == 1
    mnasnet = make_space("mnasnet")
    [values] = mnasnet.to_dicts(mnasnet.sample(1, seed=0))
    forms = [values, json.dumps(values), str(values), {"architecture": values, "metrics": {}}]
    assert len(np.unique(mnasnet.parse(forms), axis=0)) == 1


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("nats-size", "8:16:64:8", "expected 5 widths joined by ':', found 4"),
        ("nats-size", "8:16:64:8:33", "width5: '33' is none of 8, 16"),
        ("nb-macro", "2012100", "expected eight digits"),
        ("nb-macro", "02012103", "expected eight digits 0, 1 or 2"),
        ("fbnet", "7-8-1", "expected 22 blocks joined by '-', found 3"),
        ("fbnet", "-".join(["9"] * 22), "block1: '9' is none of k3_e1"),
        ("mnasnet", {"block0_e": 4}, "no value of 'block0_k'"),
        ("mnasnet", '{"block0_e": 5}', "block0_e: 5 is none of 1, 4, 6"),
        ("mnasnet", "{broken", "no JSON object"),
        ("mnasnet", "{" + " " * 30_000 + "}", "more than 20,000"),
        ("ofa-mbv3", ofa(ks=[3] * 19), "'ks' has 19 values, expected 20"),
        ("ofa-mbv3", ofa(d=[2, 3, 4, 3, 5]), "d5: 5 is none of 2, 3, 4"),
        ("ofa-mbv3", ofa(ks=[0] * 20), "ks1: 0 is none of 3, 5, 7"),
        ("ofa-mbv3", ofa(w=1.0), "'w' is none of ks, e, d and r"),
        ("ofa-mbv3", ofa(r=[126]), "r: 126 is none of 128, 132"),
        ("ofa-mbv3", ofa(e=3), "'e' is a list of 20 values"),
        ("ofa-mbv3", {k: v for k, v in ofa().items() if k != "r"}, "no value of 'r'"),
        ("autoformer", "(12, 3.5, 3, 192)", "2 \\* depth \\+ 2 numbers, found 4"),
        ("autoformer", "()", "expected depth"),
        ("autoformer", "(12, abs(3))", "expected a tuple"),
        ("autoformer", {"DEPTH": "12"}, "'DEPTH' is a whole number"),
        ("autoformer", {"DEPTH": 12, "HEADS": 3}, "'HEADS' is none of"),
        ("autoformer-s", str((12, *[3.0] * 12, *[3] * 12, 320)), "num_heads1: 3 is none of 5"),
        ("regnet", {"DEPTH": 13, "W": 24}, "'W' is none of DEPTH, W0"),
        ("regnet", {"DEPTH": 99, "W0": 24, "WA": 37, "WM": 2.5, "GROUP_W": 8}, "depth: 99"),
        ("regnet", {"DEPTH": 13, "W0": 24, "WA": 300, "WM": 2.5, "GROUP_W": 8}, "wa: 300"),
        ("regnet", {"DEPTH": 13, "W0": 24, "WA": 37.1, "WM": 2.5, "GROUP_W": 9}, "group_width: 9"),
        (
            "regnet",
            {"DEPTH": 13, "W0": 24, "WA": 37, "WM": 2.5, "GROUP_W": 8, "BOT_MUL": 3},
            "bottleneck",
        ),
        (
            "regnet",
            {"DEPTH": 22, "W0": 24, "WA": 24.48, "WM": 2.54, "GROUP_W": 16},
            "none of which gives the same stages: widths \\[32, 64, 160, 384\\]",
        ),
        (
            "regnet",
            {"DEPTH": 12, "W0": 256, "WA": 8.2, "WM": 3, "GROUP_W": 8},
            "do not give four stages",
        ),
        ("regnet", {"DEPTH": 12, "W0": 256, "WA": 8, "WM": 3, "GROUP_W": 8}, "breaks a rule"),
    ],
)
def test_wrong_architectures_are_refused_with_the_reason(name, wrong, message) -> None:
    with pytest.raises(ArchitectureError, match=message):
        make_space(name).parse([wrong])


def test_identities_may_stand_anywhere_between_changes_of_shape() -> None:
    fbnet = make_space("fbnet")
    blocks = np.zeros((3, 22), dtype=np.int8)
    blocks[[0, 1, 2], [2, 4, 5]] = fbnet.blocks.index("skip")
    first, second, third = fbnet.function_ids(blocks)
    assert first == second != third
    drawn = fbnet.sample(200, seed=0)
    assert (np.sort(fbnet.canonical(drawn)) == np.sort(drawn)).all(), "blocks are moved, not made"
    macro = make_space("nb-macro")
    ids = macro.function_ids(macro.parse(["21101010", "21110001", "12101010"]))
    assert ids[0] == ids[1] != ids[2]


def test_layers_beyond_the_depth_are_inactive() -> None:
    space = make_space("ofa-mbv3")
    codes = space.sample(500, seed=0)
    depths = 2 + codes[:, [space.variables.index(f"d{s}") for s in range(1, 6)]].astype(int)
    layers = [k for k, name in enumerate(space.variables) if name.startswith("ks")]
    assert (space.active(codes)[:, layers].sum(axis=1) == depths.sum(axis=1)).all()
    assert set(space.fields) == {"resolution", "depth", "kernel", "expansion"}


# RegNet.


REGNETX = {  # w0, wa, wm, depth and group width; MFLOPs and millions of parameters as published
    "200MF": (24, 36.44, 2.49, 13, 8, 200, 2.7),
    "600MF": (48, 36.97, 2.24, 16, 24, 600, 6.2),
    "800MF": (56, 35.73, 2.28, 16, 16, 800, 7.3),
    "1.6GF": (80, 34.01, 2.25, 18, 24, 1600, 9.2),
    "3.2GF": (88, 26.31, 2.25, 25, 48, 3200, 15.3),
    "4.0GF": (96, 38.65, 2.43, 23, 40, 4000, 22.1),
    "6.4GF": (184, 60.83, 2.07, 17, 56, 6500, 26.2),
    "8.0GF": (80, 49.56, 2.88, 23, 120, 8000, 39.6),
    "12GF": (168, 73.36, 2.37, 19, 112, 12100, 46.1),
    "16GF": (216, 55.59, 2.1, 22, 128, 15900, 54.3),
}


@pytest.mark.parametrize("name", REGNETX)
def test_a_published_regnet_has_its_published_costs(name) -> None:
    w0, wa, wm, depth, group, flops, parameters = REGNETX[name]
    space = make_space("regnet")
    code = space.parse({"DEPTH": depth, "W0": w0, "WA": wa, "WM": wm, "GROUP_W": group})
    assert network_costs(space, code, "parameters")[0] == pytest.approx(parameters, abs=0.051)
    assert network_costs(space, code, "flops")[0] == pytest.approx(flops, rel=0.01)
    assert space.stages(code).depths.sum() == depth


def test_settings_of_the_same_stages_are_one_function() -> None:
    space = make_space("regnet")
    drawn = space.sample(400, seed=0)
    canonical = space.canonical(drawn)
    for before, after in zip(space.stages(drawn), space.stages(canonical), strict=True):
        assert np.array_equal(before, after)
    near, origin = space.neighbours(drawn[:40])
    one = np.concatenate([np.concatenate(space.stages(rows), axis=1) for rows in (near, drawn)])
    ids = space.function_ids(np.concatenate([near, drawn]))
    told, functions = (np.unique(x, axis=0, return_inverse=True)[1].ravel() for x in (one, ids))
    pairs = np.unique(np.stack([told, functions]), axis=1)
    assert pairs.shape[1] == told.max() + 1 == functions.max() + 1, (
        "stages and function go together"
    )
    assert (ids[: len(near)] == ids[len(near) + origin]).mean() > 0.01


def test_stages_follow_the_published_rule() -> None:
    space = make_space("regnet")
    codes = space.sample(60, seed=1)
    stages = space.stages(codes)
    for row, values in enumerate(space.to_dicts(codes)):
        line = values["w0"] + values["wa"] * np.arange(values["depth"])
        power = np.round(np.log(line / values["w0"]) / np.log(values["wm"]))
        every = np.round(values["w0"] * np.power(values["wm"], power) / 8).astype(int) * 8
        widths, depths = np.unique(every, return_counts=True)
        inner = [w // values["bottleneck"] for w in widths]
        groups = [min(values["group_width"], w) for w in inner]
        inner = [max(g, round(w / g) * g) for w, g in zip(inner, groups, strict=True)]
        assert stages.depths[row].tolist() == depths.tolist()
        assert stages.groups[row].tolist() == groups
        assert stages.inner[row].tolist() == inner
        assert stages.widths[row].tolist() == [w * values["bottleneck"] for w in inner]


@pytest.mark.slow
def test_the_number_of_settings_with_four_stages_is_the_size() -> None:
    from nasurge.data.spaces.published.regnet import _known

    space = RegNet()
    depths, groups, ratios = (space.cardinalities[k] for k in (0, 4, 5))
    lines = sum(len(_known(12 + k).line) for k in range(depths))
    assert lines * groups * ratios == space.size


def test_costs_of_a_vision_transformer() -> None:
    space = make_space("autoformer")
    deit = space.parse(str((12, *[4.0] * 12, *[3] * 12, 192)))  # DeiT-Ti, with relative positions
    assert network_costs(space, deit, "parameters")[0] * 1e6 == 5_717_416 + 12 * 4 * 30 * 64
    assert network_costs(space, deit, "flops")[0] == pytest.approx(1254, abs=1)
    assert not has_network_costs(make_space("fbnet"))


# Predictors.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("predictor", ["gp", "xgb"])
def test_predictors_learn(name, predictor) -> None:
    space = make_space(name)
    codes, others = space.sample(80, seed=0), space.sample(60, seed=1)
    weights = np.random.default_rng(0).random(space.n_variables)
    y, truth = (rows / np.array(space.cardinalities) @ weights for rows in (codes, others))
    scores = nasurge.make_predictor(predictor, space, seed=0).fit(codes, y).predict(others)
    assert np.corrcoef(scores, truth)[0, 1] > 0.5


# Real rows.


@needs_data
def test_every_row_of_nas_bench_macro() -> None:
    found = json.loads((BENCHMARKS / "nas-bench-macro_cifar10.json").read_text())
    space = make_space("nb-macro")
    codes = space.parse(list(found))
    assert space.format(codes) == list(found)
    assert len(np.unique(space.keys(codes))) == space.size
    for cost, key in (("flops", "flops"), ("parameters", "params")):
        published = np.array([row[key] for row in found.values()])
        assert np.abs(network_costs(space, codes, cost) * 1e6 - published).max() < 0.5
    runs = np.array([row["test_acc"] for row in found.values()])
    assert len(np.unique(runs, axis=0)) == space.n_functions, "one training for each function"
    assert len(np.unique(np.column_stack([runs, space.function_ids(codes)]), axis=0)) == 3969


@needs_data
def test_every_row_of_accel_nasbench() -> None:
    with tarfile.open(BENCHMARKS / "accel_nasbench.tar.gz") as archive:
        members = (archive.extractfile(member) for member in archive if member.isfile())
        found = [json.load(io.TextIOWrapper(member)) for member in members]
    space = make_space("mnasnet")
    codes = space.parse(found)
    assert len(codes) == 5138
    assert space.to_dicts(codes) == [row["architecture"] for row in found]
    for cost, key in (("flops", "macs"), ("parameters", "params")):
        published = [row["model_info"][key] for row in found]
        assert network_costs(space, codes, cost) == pytest.approx(published, abs=1e-9)


@needs_data
def test_every_row_of_fbnet_latencies() -> None:
    with np.load(BENCHMARKS / "fbnet_latency.npz") as arrays:
        blocks, latency = arrays["blocks"], arrays["pixel2"]
    space = make_space("fbnet")
    codes = space.parse(["-".join(map(str, row)) for row in blocks.tolist()])
    assert np.array_equal(codes, blocks)
    skips = (codes == space.blocks.index("skip")).sum(axis=1)
    assert np.corrcoef(skips, latency)[0, 1] < -0.3, "a skip costs least"


# Files.


@pytest.mark.parametrize("name", ["mnasnet", "autoformer", "regnet"])
def test_objects_in_a_file_are_told_by_their_names(name, tmp_path) -> None:
    space = make_space(name)
    codes = space.sample(20, seed=0, unique=True)
    frame = pd.DataFrame({"arch": space.format(codes), "acc": np.linspace(0.5, 0.9, 20)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    [table] = read_tables(tmp_path / "t.csv")
    assert table.space == space
    assert table.lookup(codes, task="default", metric="acc") == pytest.approx(frame.acc)


@pytest.mark.parametrize("name", ["nb-macro", "nats-size"])
def test_numbers_in_a_file_are_those_of_a_space_only_if_somebody_says_so(name, tmp_path) -> None:
    space = make_space(name)
    strings = space.format(space.sample(20, seed=0, unique=True))
    pd.DataFrame({"arch": strings, "acc": np.linspace(0.5, 0.9, 20)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    [own] = read_tables(tmp_path / "t.csv")
    assert own.space != space
    assert f"--space {name}" in " ".join(own.imported.recognised)
    [table] = read_tables(tmp_path / "t.csv", space=name)
    assert table.space == space


def published_macro(**changes):
    """Content of a file of NAS-Bench-Macro with two networks."""
    row = {"test_acc": [89.0, 90.0, 91.0], "mean_acc": 90.0, "std": 0.8, "params": 5, "flops": 7}
    return json.dumps({"02012100": row, "11111221": row | changes})


def test_the_file_of_nas_bench_macro_is_read(tmp_path) -> None:
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(published_macro(mean_acc=92.5, params=2_500_000))
    [table] = read_tables(path)
    codes = table.space.parse(["11111221", "02012100"])
    assert table.space.name == "nb-macro"
    assert table.lookup(codes, task="cifar10", metric="mean_acc").tolist() == [92.5, 90]
    assert table.lookup(codes, task="cifar10", metric="accuracy", seed=2).tolist() == [91, 91]
    assert table.lookup(codes, task="cifar10", metric="parameters").tolist() == [2.5, 5e-6]


@pytest.mark.parametrize(
    "changes", [{"test_acc": [1.0]}, {"test_acc": None}, {"params": "many"}, {"mean_acc": {}}]
)
def test_a_file_that_is_not_quite_nas_bench_macro_is_refused(changes, tmp_path) -> None:
    path = tmp_path / "macro.json"
    path.write_text(published_macro(**changes))
    with pytest.raises(DataFileError, match="does not hold what NAS-Bench-Macro holds"):
        read_tables(path)
    path.write_text(published_macro()[:-40])
    with pytest.raises(DataFileError):
        read_tables(path)


@needs_data
def test_the_published_file_of_nas_bench_macro_is_a_table() -> None:
    [table] = read_tables(BENCHMARKS / "nas-bench-macro_cifar10.json")
    assert len(table) == 6561
    for cost in ("flops", "parameters"):
        stored = table.lookup(table.codes, task="cifar10", metric=cost)
        assert network_costs(table.space, table.codes, cost) == pytest.approx(stored)
