"""Files that the first version wrote still open: see v0/README.md."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from old_files import FILES, SPACE, STUDIES, V0, WARM, run, two, units, unpacked, value

import nasurge
from nasurge.data.tables import read_latencies, read_task_labels
from nasurge.predictors.relaxed import relaxation
from nasurge.search.across_tables import learn_tasks, warm_searcher
from nasurge.search.at_nas import load_search
from nasurge.search.differentiable import read_donors, transferred_logits
from nasurge.search.store import run_stored

pytestmark = pytest.mark.usefixtures("one_thread")

# -- predictors ------------------------------------------------------------------------------------

SCORES = json.loads((V0 / "predictors" / "scores.json").read_text())


@pytest.mark.parametrize("name", SCORES)
def test_a_saved_predictor_predicts_what_it_did(name: str, old_home: Path, tmp_path: Path) -> None:
    known = SCORES[name]
    predictor = nasurge.load_predictor(unpacked(V0 / "predictors" / f"{name}.save.xz", tmp_path))
    assert predictor.space.spec() == known["space"]
    assert len(getattr(predictor, "fitted_labels_", ())) == known["labels"]
    codes = np.array(known["codes"], dtype=np.int8)
    near = {"rtol": 1e-4, "atol": 1e-4 * np.std(known["scores"])}
    np.testing.assert_allclose(predictor.predict(codes), known["scores"], **near)
    if "std" in known:
        _, std = predictor.predict(codes, return_std=True)
        np.testing.assert_allclose(std, known["std"], **near)


CHAINS = V0.parent / "chains"


@pytest.mark.parametrize("name", ["gin", "brp-nas"])
def test_a_graph_network_of_a_chain_goes_on_without_places(name: str, tmp_path: Path) -> None:
    known = json.loads((CHAINS / "scores.json").read_text())[name]
    predictor = nasurge.load_predictor(unpacked(CHAINS / f"{name}.save.xz", tmp_path))
    codes = np.array(known["codes"], dtype=predictor.space.dtype)
    near = {"rtol": 1e-4, "atol": 1e-4 * np.std(known["scores"])}
    np.testing.assert_allclose(predictor.predict(codes), known["scores"], **near)
    predictor.save(tmp_path / "again.save")
    again = nasurge.load_predictor(tmp_path / "again.save")
    assert np.array_equal(again.predict(codes), predictor.predict(codes))
    hot = relaxation(predictor.space, "cpu").one_hot(predictor.space.canonical(codes))
    scores = predictor.score_relaxed(hot)[0].detach().double().numpy()
    np.testing.assert_allclose(
        predictor.label_transform_.inverse(scores), predictor.predict(codes), rtol=1e-3
    )


def test_proxies_that_were_computed_are_used(old_home: Path, tmp_path: Path) -> None:
    folder = old_home / "zero-cost"
    before = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
    for name in ("synflow", "genas", "auto-zero-cost"):
        nasurge.load_predictor(unpacked(V0 / "predictors" / f"{name}.save.xz", tmp_path))
    assert {path.name: path.read_bytes() for path in folder.glob("*.npz")} == before


# -- searches --------------------------------------------------------------------------------------

STORED = json.loads((V0 / "searches.json").read_text())
# What they ask for follows from whole numbers and random draws alone, on every machine.
PLAIN = ("random", "evolution", "local", "annealing", "nsga2", "nsga2-two", "warm-meta-evolution")


def thawed(state: dict) -> dict:
    """A searcher's state with its arrays."""
    return {
        key: np.array(kept["array"], dtype=kept["dtype"]).reshape(kept["shape"])
        if isinstance(kept, dict) and set(kept) == {"dtype", "shape", "array"}
        else kept
        for key, kept in state.items()
    }


def made(known: dict, seed: int = 0):
    """A searcher as one of the fixtures was made."""
    if "predictor" in known:
        given = {"predictor": known["predictor"], "seed": seed, **known["parameters"]}
        return nasurge.make_searcher(known["name"], SPACE, **given)
    codes = SPACE.sample(60, seed=5, unique=True)
    angles = codes.astype(float) @ np.arange(1.0, 7.0)
    tasks = {f"task {k}": (codes, np.sin(angles + k)) for k in range(3)}
    return warm_searcher(known["name"], learn_tasks(SPACE, tasks, seed=0), seed=seed)


@pytest.mark.parametrize("name", sorted(p.stem for p in (V0 / "searchers").glob("*.json")))
def test_a_searchers_state_goes_on(name: str) -> None:
    known = json.loads((V0 / "searchers" / f"{name}.json").read_text())
    state, searcher = thawed(known["state"]), made(known, seed=99)
    searcher.load_state_dict(state)
    assert np.array_equal(searcher.codes_, state["codes"])
    assert np.array_equal(searcher.values_, state["values"], equal_nan=True)
    assert np.array_equal(searcher.pending_, state["pending"])
    objective = two if state["values"].ndim > 1 else value
    searcher.tell(state["pending"], objective(state["pending"]))
    asked = searcher.ask(3)
    everything = np.concatenate([searcher.codes_, asked])
    assert len(np.unique(everything, axis=0)) == len(everything) == 18
    if name in PLAIN:
        assert asked.tolist() == known["next"]


@pytest.mark.parametrize("name", STORED)
def test_a_stored_search_goes_on(name: str, tmp_path: Path) -> None:
    known = STORED[name]
    evaluated = []

    def objective(codes: np.ndarray) -> np.ndarray:
        evaluated.extend(codes.tolist())
        return (two if known["parameters"].get("n_objectives") else value)(codes)

    trace = run_stored(
        made(known),
        objective,
        storage=f"sqlite:///{unpacked(V0 / 'searches.db.xz', tmp_path)}",
        study=name,
        budget=20,
        batch=3,
        about={"batch": 3, "seed": 0},
    )
    before = known["codes"][: known["known"]]
    assert trace.codes[: known["known"]].tolist() == before
    assert len(trace.values) == 20
    assert len(evaluated) == 20 - known["known"]
    # The batch that was begun comes first.
    assert evaluated[:3] == known["codes"][known["known"] : known["known"] + 3]
    if name.removesuffix("-killed") in PLAIN:
        assert trace.codes.tolist() == known["codes"]


# -- other files -----------------------------------------------------------------------------------


def test_a_trained_and_an_imported_table_load(old_home: Path) -> None:
    trained, imported = nasurge.load_table("tiny"), nasurge.load_table("imported")
    assert (len(trained), trained.tasks, trained.made["kind"]) == (16, ["digits"], "table")
    what = {"task": "digits", "metric": "accuracy", "split": "test"}
    rows = [row for unit in units(STUDIES / "table").values() for row in unit]
    runs = {(row["architecture"], row["seed"]): row for row in rows}
    for seed in (0, 1):
        expected = [runs[text, seed]["test_accuracy"] for text in SPACE.format(trained.codes)]
        assert trained.values(**what, seed=seed).tolist() == expected
    source = pd.read_csv(FILES / "imported.csv")
    assert SPACE.format(imported.codes) == list(source["arch"])
    (task,) = imported.tasks
    assert imported.values(task=task, metric="accuracy").tolist() == list(source["accuracy"])


def test_importing_the_same_file_again_changes_nothing(old_home: Path) -> None:
    path = old_home / "tables" / "imported.safetensors"
    before = path.read_bytes()
    assert run("import", str(FILES / "imported.csv"), "--as", "imported").exit_code == 0
    assert path.read_bytes() == before


def test_experiences_are_donors() -> None:
    for seed in range(2):
        donors = read_donors(STUDIES / "warm" / "experiences" / f"seed-{seed}")
        assert [donor.task for donor in donors] == sorted(WARM.tasks)
        assert transferred_logits(donors, SPACE).shape == (6, 5)
        cold = {
            row["task"]: row
            for rows in units(STUDIES / "warm").values()
            for row in rows
            if row["kind"] == "cold" and row["seed"] == seed
        }
        for donor in donors:
            np.testing.assert_allclose(donor.shares, cold[donor.task]["shares"], rtol=1e-6)


@pytest.mark.parametrize("name", ["at-nas", "adapted"])
def test_a_meta_trained_search_loads(name: str, tmp_path: Path) -> None:
    search, about = load_search(unpacked(FILES / f"{name}.safetensors.xz", tmp_path))
    assert SPACE.parse([search.architecture]).shape == (1, 6)
    assert about["made"]["images"] == "digits"
    assert ("adapted" in about["made"]) == (name == "adapted")
    path = str(tmp_path / f"{name}.safetensors")
    if name == "at-nas":
        tested = run(
            "meta",
            "evaluate",
            path,
            "--images",
            "digits",
            "--way",
            "2",
            "--shots",
            "1",
            "--episodes",
            "20",
            "--json",
        )
        assert json.loads(tested.output)["summary"][0]["classes"] == 5


def test_a_supernet_of_the_command_is_only_read(tmp_path: Path) -> None:
    path = unpacked(FILES / "supernet.safetensors.xz", tmp_path)
    before = path.read_bytes()
    options = "--epochs 2 --width 2 --evaluate 2 --device cpu --json --checkpoint"
    done = run("supernet", "train", *options.split(), str(path))
    assert json.loads(done.output)["summary"][0]["epochs"] == 2
    assert path.read_bytes() == before


def test_labels_and_latencies_in_files_are_read() -> None:
    labels = read_task_labels(FILES / "triples.npz", SPACE)
    assert (labels.codes.shape, sorted(set(labels.tasks))) == ((48, 6), ["0", "1"])
    devices, latencies = read_latencies(FILES / "latencies.npz", 16)
    assert (devices, latencies.shape) == (["device-0", "device-1", "device-2"], (16, 3))
