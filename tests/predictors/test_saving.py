"""A predictor's file gives the same predictor back, or says what is wrong; updates are learnt."""

import hashlib
import importlib
import io
import json
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from processes import Process, run_code
from safetensors.numpy import load, save
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

import nasurge
from nasurge.data.spaces import ProductSpace
from nasurge.data.tables import Table
from nasurge.errors import DataFileError, DeviceError, ParameterError, StorageError
from nasurge.predictors.classical import PipelinePredictor
from nasurge.predictors.processes import GaussianProcess
from nasurge.predictors.saving import archives
from nasurge.predictors.saving import objects as saving
from nasurge.predictors.saving.names import NAMES, OLD_NAMES, PLACES, class_path
from nasurge.registry import load_predictor, make_predictor


@pytest.fixture(scope="module")
def labelled(analog: Table) -> tuple[np.ndarray, np.ndarray]:
    """Eighty cells and their accuracies."""
    rows = np.random.default_rng(0).choice(len(analog.codes), 80, replace=False)
    return analog.codes[rows], analog.values(task="cifar10", metric="baseline_accuracy")[rows]


@pytest.fixture
def saved(analog: Table, labelled, tmp_path: Path) -> Path:
    """The file of a Gaussian process."""
    path = tmp_path / "gp.nasurge"
    make_predictor("gp", analog.space).fit(*labelled).save(path)
    return path


def rewritten(path: Path, change, *, seal: bool = True) -> None:
    """Change the description in a file, by default with a checksum that fits."""
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header["__metadata__"][saving._KEY])
    arrays = load(data)
    change(about, arrays)
    if seal:
        del about["sha256"]
        about["sha256"] = saving._digest(about, arrays)
    path.write_bytes(save(arrays, metadata={saving._KEY: json.dumps(about)}))


def test_another_process_predicts_the_same(
    saved: Path, analog: Table, labelled, tmp_path: Path
) -> None:
    code = (
        f"import nasurge, hashlib; p = nasurge.load_predictor({str(saved)!r});"
        "print(hashlib.sha256(p.predict(p.space.all_codes()).tobytes()).hexdigest())"
    )
    other = Process(run_code, code, folder=tmp_path)
    assert other.end() == 0, other.stderr
    scores = load_predictor(saved).predict(analog.space.all_codes())
    again = make_predictor("gp", analog.space).fit(*labelled).predict(analog.space.all_codes())
    assert np.array_equal(scores, again)
    assert other.stdout.strip() == hashlib.sha256(scores.tobytes()).hexdigest()


def test_a_file_holds_no_pickle(analog: Table, labelled, tmp_path: Path) -> None:
    """Neither the opcodes that import, nor the names of what unpickling would call."""
    for name in ("rf", "mlp", "xgb"):
        path = tmp_path / name
        make_predictor(name, analog.space, seed=0).fit(*labelled).save(path)
        data = path.read_bytes()
        for mark in (b"\x80\x04\x95", b"\x80\x05\x95", b".pkl", b"copyreg", b"_reconstruct"):
            assert mark not in data, (name, mark)


# Between them they hold every kind of value: our encoders, transforms, kernels, layers, classes.
QUICK = {
    **{name: {} for name in ("gp", "gp-ard", "gp-wl", "ridge", "gp-soft", "gpnas-ensemble")},
    **{name: {"n_estimators": 5} for name in ("xgb", "rf", "et", "lightgbm", "ngboost")},
    "auto": {"members": ("joint", "trees")},
    "weaknas": {"base": "gp"},
    **{name: {"steps": 3} for name in ("mlp", "gin", "gat", "gates", "flan", "transformer")},
    "brp-nas": {"steps": 3, "width": 8},
    "arch2vec": {"pretraining_steps": 3, "width": 8, "latent": 4},
}


def descriptions(path: Path) -> str:
    """All that a file says but for its numbers, archives of scikit-learn's estimators included."""
    data = path.read_bytes()
    header = data[8 : 8 + int.from_bytes(data[:8], "little")].decode()
    return header + "".join(
        zipfile.ZipFile(io.BytesIO(archive)).read("schema.json").decode()
        for archive in (array.tobytes() for array in load(data).values())
        if archive.startswith(b"PK")
    )


@pytest.mark.parametrize("name", QUICK)
def test_a_file_names_no_module_and_one_of_the_first_format_opens(
    name: str, analog: Table, labelled, tmp_path: Path
) -> None:
    codes, y = labelled
    made = make_predictor(name, analog.space, seed=0, **QUICK[name]).fit(codes[:30], y[:30])
    made.save(tmp_path / "new")
    made.save(tmp_path / "old")
    rewritten(tmp_path / "old", as_first_format)
    assert "nasurge." not in descriptions(tmp_path / "new")
    assert "nasurge.predictors." in descriptions(tmp_path / "old")
    for file in ("new", "old"):
        assert np.array_equal(load_predictor(tmp_path / file).predict(codes), made.predict(codes))


def test_a_file_opens_after_its_classes_have_moved(analog, labelled, tmp_path, monkeypatch) -> None:
    made = {}
    for name in ("gp", "gp-ard", "gp-wl"):
        made[name] = make_predictor(name, analog.space).fit(*labelled)
        made[name].save(tmp_path / f"{name} 2")
        made[name].save(tmp_path / f"{name} 1")
        rewritten(tmp_path / f"{name} 1", as_first_format)
    moved = types.ModuleType("nasurge.elsewhere")
    monkeypatch.setitem(sys.modules, "nasurge.elsewhere", moved)
    for name in ("BlockLinear", "few_steps", "OneHot", "NormalScores"):
        module, _, attribute = PLACES[f"nasurge:{name}"].partition(":")
        found = getattr(importlib.import_module(module), attribute)
        monkeypatch.delattr(f"{module}.{attribute}")
        monkeypatch.setattr(found, "__module__", "nasurge.elsewhere")
        setattr(moved, attribute, found)
        place = f"nasurge.elsewhere:{attribute}"
        monkeypatch.setitem(PLACES, f"nasurge:{name}", place)
        monkeypatch.setitem(NAMES, place, f"nasurge:{name}")
    for name, predictor in made.items():
        for number in (1, 2):
            again = load_predictor(tmp_path / f"{name} {number}")
            assert np.array_equal(again.predict(analog.codes), predictor.predict(analog.codes))
            again.save(tmp_path / "again")
            load_predictor(tmp_path / "again")


def as_first_format(about, arrays) -> None:
    """Name modules, as files did at first."""
    old = {name: place for place, name in OLD_NAMES.items()}

    def renamed(node):
        if isinstance(node, list):
            return [renamed(item) for item in node]
        if not isinstance(node, dict):
            return node
        kept = {key: renamed(value) for key, value in node.items()}
        return kept | {"class": old.get(node["class"], node["class"])} if "class" in node else kept

    about |= {"format": 1, "predictor": renamed(about["predictor"])}
    for name, array in arrays.items():
        if (data := array.tobytes()).startswith(b"PK"):
            data = archives._renamed(data, lambda place: old.get(place, place))
            arrays[name] = np.frombuffer(data, np.uint8)
            if len(data) != array.size:
                resized(about["predictor"], name, len(data))


def resized(node, name: str, size: int) -> None:
    """Set the shape of an array in a description."""
    for part in node.values() if isinstance(node, dict) else node:
        if isinstance(part, dict | list):
            resized(part, name, size)
    if isinstance(node, dict) and node.get("name") == name:
        node["shape"] = [size]


def test_every_name_is_of_one_class_and_every_old_name_has_a_class() -> None:
    assert len(NAMES) == len(PLACES)
    for place in PLACES.values():
        module, _, attribute = place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert class_path(found) == place, "the table names where a class is defined"
    assert set(OLD_NAMES.values()) <= set(PLACES)


def test_a_space_of_ones_own_and_a_generator_as_seed_come_back(tmp_path: Path) -> None:
    space = ProductSpace([list("abc"), list("de"), list("fgh")], name="mine")
    codes = space.all_codes()
    rng = np.random.default_rng(5)
    predictor = make_predictor("rf", space, seed=rng, n_estimators=5, features=("onehot",))
    predictor.fit(codes, codes.sum(axis=1) + 0.1 * codes[:, 0]).save(tmp_path / "f")
    again = load_predictor(tmp_path / "f")
    assert again.space == space
    assert again.features == ("onehot",)
    assert np.array_equal(again.seed.random(3), rng.random(3))


def test_a_loaded_predictor_learns_on(saved: Path, analog: Table) -> None:
    predictor = load_predictor(saved)
    before = len(predictor.fitted_labels_)
    predictor.update(analog.codes[:1], [50.0])
    assert len(predictor.fitted_labels_) == before + 1


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_named(saved: Path, keep: int) -> None:
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(DataFileError, match=r"gp\.nasurge is truncated or not a predictor"):
        load_predictor(saved)


@pytest.mark.parametrize("content", [b"PK\x03\x04" + b"0" * 99, b'{"a": 1}' * 9, b"\xff" * 99])
def test_a_foreign_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataFileError, match="not a predictor"):
        load_predictor(tmp_path / "x")


def test_a_table_is_no_predictor(analog: Table) -> None:
    with pytest.raises(DataFileError, match="not a predictor"):
        load_predictor(analog.path)


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none"):
        load_predictor(tmp_path / "none")


def test_a_flipped_bit_is_found(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-100] ^= 1
    saved.write_bytes(data)
    with pytest.raises(DataFileError, match="checksum"):
        load_predictor(saved)


def put(*path, value):
    """A change of one entry of the description."""

    def change(about, arrays):
        for key in path[:-1]:
            about = about[key]
        about[path[-1]] = value

    return change


OS = {"kind": "object", "class": "os:system", "state": {}}
UNKNOWN = {**OS, "class": "nasurge:Nothing"}
OURS = {**OS, "class": "nasurge.predictors.saving.objects:_Reader"}
LAYER = {"kind": "module", "class": "torch.nn.modules.linear:os.system", "state": {}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("format", value=3), "format 3, this version reads 1 and 2"),
        (put("predictor", "class", value="os:system"), "os:system, which is not among"),
        (put("predictor", "class", value="nasurge.predictors.base:Predictor"), "not among"),
        (put("predictor", "class", value="nasurge:OneHot"), "nasurge:OneHot, which is not among"),
        (put("predictor", "state", "pipeline_", value=OS), "os:system.*not on the list"),
        (put("predictor", "state", "pipeline_", value=UNKNOWN), "nasurge:Nothing.*not on the list"),
        (put("predictor", "state", "pipeline_", value=OURS), "objects:_Reader.*not on the list"),
        (put("predictor", "state", "pipeline_", value=LAYER), "cannot be read here"),
        (put("predictor", "state", "pipeline_", value={"kind": "pickle"}), "cannot be read here"),
        (put("predictor", "parameters", "colour", value="red"), "colour"),
        (put("predictor", "parameters", "space", "spec", value={"name": "moon"}), "moon"),
        (put("predictor", "state", value={}), "cannot be read here"),
    ],
)
def test_a_forged_description_is_refused(saved: Path, change, words: str) -> None:
    rewritten(saved, change)
    with pytest.raises(DataFileError, match=f"gp.nasurge.*{words}"):
        load_predictor(saved)


def test_a_change_without_a_new_checksum_is_found(saved: Path) -> None:
    rewritten(saved, put("predictor", "parameters", "labels", value="standardised"), seal=False)
    with pytest.raises(DataFileError, match="checksum"):
        load_predictor(saved)


def test_a_predictor_that_scores_otherwise_here_is_refused(saved: Path) -> None:
    """What another version of scikit-learn might do to the same numbers."""

    def change(about, arrays):
        name = about["probes"]["name"]
        arrays[name] = arrays[name] + 5

    rewritten(saved, change)
    with pytest.raises(DataFileError, match=r"scores otherwise.*scikit-learn"):
        load_predictor(saved)


def test_a_type_that_skops_does_not_trust_is_refused(saved: Path) -> None:
    import operator

    import skops.io

    def change(about, arrays):
        data = np.frombuffer(skops.io.dumps(operator.methodcaller("upper")), np.uint8)
        arrays["evil"] = data
        steps = about["predictor"]["state"]["pipeline_"]["state"]["steps"]["items"]
        array = {"kind": "array", "name": "evil", "shape": [len(data)], "turned": False}
        steps[1]["items"][1] = {"kind": "skops", "data": array}

    rewritten(saved, change)
    with pytest.raises(DataFileError, match=r"methodcaller.*not on the list"):
        load_predictor(saved)


class _Loose(PipelinePredictor):
    """A predictor that no entry point names."""

    def _steps(self, n_features, seed):
        return [Ridge()]


class _Loss(GaussianProcess):
    """A predictor with something learnt that is on no list."""

    def _fit(self, codes, z, rng):
        super()._fit(codes, z, rng)
        self.other_ = HistGradientBoostingRegressor(max_iter=2).fit(codes, z)


def test_what_cannot_be_saved_says_so_and_leaves_the_old_file(analog, labelled, saved) -> None:
    before = saved.read_bytes()
    with pytest.raises(ParameterError, match=r"other_ .*TreePredictor"):
        _Loss(analog.space).fit(*labelled).save(saved)
    assert saved.read_bytes() == before


def test_a_class_that_no_entry_point_names_is_not_loaded(analog, labelled, tmp_path) -> None:
    _Loose(analog.space).fit(*labelled).save(tmp_path / "loose")
    with pytest.raises(DataFileError, match=r"_Loose, which is not among: nasurge predictors"):
        load_predictor(tmp_path / "loose")


def test_an_absent_device_is_a_device_error(analog: Table, labelled, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    path = tmp_path / "mlp"
    make_predictor("mlp", analog.space, steps=5, device="cpu", seed=0).fit(*labelled).save(path)
    rewritten(path, put("predictor", "parameters", "device", value="cuda"))
    with pytest.raises(DeviceError, match="cuda"):
        load_predictor(path)


def test_the_public_name() -> None:
    assert nasurge.load_predictor is load_predictor


def test_an_updated_gaussian_process_is_close_to_a_fresh_one(analog: Table, labelled) -> None:
    """It keeps hyperparameters found with at least 10/11 of the labels."""
    codes, y = labelled
    one = make_predictor("gp", analog.space).fit(codes[:30], y[:30])
    for k in range(30, 80):
        one.update(codes[k : k + 1], y[k : k + 1])
        assert len(one.fitted_labels_) < 1.1 * one.searched_with_
    scores, std = one.predict(analog.codes, return_std=True)
    fresh, _ = (
        make_predictor("gp", analog.space).fit(codes, y).predict(analog.codes, return_std=True)
    )
    assert np.corrcoef(scores, fresh)[0, 1] > 0.98
    assert np.isfinite(std).all()


@pytest.mark.parametrize("name", ["xgb", "ridge"])
def test_an_update_of_others_is_a_fit_to_everything(name: str, analog: Table, labelled) -> None:
    codes, y = labelled
    parts = make_predictor(name, analog.space, seed=1).fit(codes[:60], y[:60])
    parts.update(codes[60:], y[60:])
    whole = make_predictor(name, analog.space, seed=1).fit(codes, y)
    assert np.array_equal(parts.predict(analog.codes), whole.predict(analog.codes))


def test_one_label_more_may_be_equal_to_all_others(analog: Table, labelled) -> None:
    codes, y = labelled
    gp = make_predictor("gp", analog.space).fit(codes[:20], y[:20])
    gp.update(codes[20:21], y[19:20])
    assert len(gp.fitted_labels_) == 21
