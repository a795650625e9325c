"""Damaged and hostile files of NASurge: what was learnt, studies, searches."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
from cases import V0, Case, Corpus, old
from damage import (
    DOCUMENTS,
    damaged,
    npy,
    zipped,
)

# What was learnt


def learnt(corpus: Corpus) -> Iterator[Case]:
    """Saved predictors, checkpoints, searches and donors."""
    from forgeries import forged_predictors

    from nasurge.benchmarks.training import read_checkpoint, write_checkpoint
    from nasurge.registry import load_predictor
    from nasurge.search.at_nas import load_search
    from nasurge.search.differentiable import read_donors

    for name in ("ridge", "rf", "xgb", "lightgbm", "gin", "gp-wl"):
        content = old(f"predictors/{name}.save")
        whole = corpus.write(f"predictor-{name}-whole", "p.save", content)
        yield Case(f"predictor-{name}-whole", partial(load_predictor, whole), harmless=True)
        yield from corpus.variants(
            f"predictor-{name}", "p.save", content, load_predictor, harmless=()
        )
    for label, content in forged_predictors(old("predictors/rf.save")).items():
        path = corpus.write(f"predictor-{label}", "p.save", content)
        yield Case(f"predictor-{label}", partial(load_predictor, path))
    checkpoint = corpus.write("search-whole", "s.safetensors", old("files/at-nas.safetensors"))
    tensors, about = read_checkpoint(checkpoint) or ({}, {})
    write_checkpoint(checkpoint, tensors, about)
    content = checkpoint.read_bytes()
    yield Case("search-whole", partial(load_search, checkpoint), harmless=True)
    yield from corpus.variants(
        "search", "s.safetensors", content, load_search, flips=20, harmless=()
    )
    inner = about["at-nas"]
    for label, changed in {
        "no-parts": {},
        "list": [],
        "format": {**inner, "format": 99},
        "huge": {**inner, "search": {**inner["search"], "width": 10**9}},
        "space": {**inner, "search": {**inner["search"], "space": {"name": "moon"}}},
        "other-width": {**inner, "search": {**inner["search"], "width": 7}},
        "evolution": {**inner, "search": {**inner["search"], "evolution": "x"}},
        "deep": json.loads("[" * 300 + "]" * 300),
    }.items():
        path = corpus.place(f"search-{label}") / "s.safetensors"
        write_checkpoint(path, tensors, {"at-nas": changed})
        yield Case(f"search-{label}", partial(load_search, path))
    donor = next((V0 / "studies" / "warm" / "experiences" / "seed-0").iterdir())
    whole = corpus.place("donor-whole") / donor.name
    write_checkpoint(whole, *(read_checkpoint(donor) or ({}, {})))
    yield Case("donor-whole", partial(read_donors, whole.parent), harmless=True)
    for label, changed in damaged(whole.read_bytes(), corpus.rng, 3):
        path = corpus.write(f"donor-{label}", donor.name, changed)
        yield Case(f"donor-{label}", partial(read_donors, path.parent))
    yield from _supernets(corpus)


def _supernets(corpus: Corpus) -> Iterator[Case]:
    """Checkpoints that a training should go on from."""
    from nasurge.benchmarks.training import read_checkpoint, train_network, write_checkpoint
    from nasurge.data.images import load_images
    from nasurge.data.networks import build_network
    from nasurge.data.seeds import as_generator, torch_seed
    from nasurge.data.spaces import make_space

    few = load_images("digits", limit=20)

    def train(path: Path) -> object:
        with torch_seed(as_generator(0)):
            network = build_network(
                make_space("nb201"), [3, 1, 0, 1, 0, 1], classes=10, in_channels=1, width=2, cells=1
            )
        return train_network(
            network, few, epochs=1, batch_size=20, device="cpu", seed=0, checkpoint=path
        )

    whole = corpus.place("training-whole") / "t.safetensors"
    train(whole)
    yield Case("training-whole", partial(train, whole), harmless=True)
    yield from corpus.variants(
        "training", "t.safetensors", whole.read_bytes(), train, flips=6, harmless=()
    )
    tensors, about = read_checkpoint(whole) or ({}, {})
    for label, (arrays, described) in {
        "no-tensors": ({}, about),
        "no-state": (tensors, {"about": about["about"]}),
        "empty-state": (tensors, {**about, "state": {}}),
        "list-state": (tensors, {**about, "state": [1]}),
        "text": (tensors, {"about": "x", "state": "y"}),
        "other-run": (tensors, {**about, "about": {"seed": 7}}),
    }.items():
        path = corpus.place(f"training-{label}") / "t.safetensors"
        write_checkpoint(path, arrays, described)
        yield Case(f"training-{label}", partial(train, path))


# Studies


def studies(corpus: Corpus) -> Iterator[Case]:
    """Folders of studies, and recipes."""
    from nasurge.benchmarks.studies.points import predictions_path
    from nasurge.benchmarks.studies.validate_choice import from_search
    from nasurge.benchmarks.training import read_recipe
    from nasurge.registry import study_of_folder

    def report(folder: Path) -> object:
        return study_of_folder(folder).report(folder)

    def copied(name: str, source: str) -> Path:
        folder = corpus.place(name)
        shutil.copytree(V0 / "studies" / source, folder, dirs_exist_ok=True)
        return folder

    for source in ("compare", "warm"):
        whole = copied(f"{source}-whole", source)
        yield Case(f"{source}-whole", partial(report, whole), harmless=True)
    whole = copied("search-whole", "search")
    yield Case("search-whole", partial(from_search, whole, None, 5), harmless=True)
    for file, source in (("study.json", "search"), ("summary.json", "compare")):
        for label, content in DOCUMENTS.items():
            folder = copied(f"{file}-{label}", source)
            (folder / file).write_bytes(content)
            read = (
                report if file == "summary.json" else partial(from_search, n_train=5, address=None)
            )
            yield Case(f"{file}-{label}", partial(read, folder))
    line = b'{"unit": "x", "rows": '
    journals = {
        "0xff": line + b'[{"a": "\xff"}]}\n',
        "null": b"null\n",
        "list": b"[]\n",
        "object": b"{}\n",
        "no-rows": line + b"3}\n",
        "rows-of-numbers": line + b"[1, 2]}\n",
        "unit-list": b'{"unit": [], "rows": []}\n',
        "deep": line + b"[" * 100_000 + b"\n",
        "deep-closed": line + b"[" * 300 + b"]" * 300 + b"}\n",
        "nul": bytes(100) + b"\n",
        "other-rows": line + b'[{"a": 1}]}\n',
    }
    for label, content in journals.items():
        folder = copied(f"rows-{label}", "search")
        (folder / "rows.jsonl").write_bytes(content)
        yield Case(f"rows-{label}", partial(from_search, folder, None, 5))
        folder = copied(f"report-rows-{label}", "warm")
        (folder / "rows.jsonl").write_bytes(content)
        (folder / "summary.json").unlink(missing_ok=True)
        yield Case(f"report-rows-{label}", partial(report, folder))
    for label, content in {
        "garbage": b"no npz",
        "empty": b"",
        "other": zipped({"a.npy": npy("'<f8'", "()", bytes(8))}),
        "shapes": zipped(
            {
                "true.npy": npy("'<f8'", "(2,)", bytes(16)),
                "predicted.npy": npy("'<U1'", "()", b"x\0\0\0"),
            }
        ),
    }.items():
        folder = copied(f"predictions-{label}", "compare")
        about = json.loads((folder / "study.json").read_text())
        (folder / "predictions").mkdir()
        for address in about["labels"]:
            for predictor in about["predictors"]:
                size = about["n_train"][-1]
                predictions_path(folder, address, predictor, size).write_bytes(content)
        yield Case(f"predictions-{label}", partial(report, folder))
    for label, content in DOCUMENTS.items():
        path = corpus.write(f"recipe-{label}", "r.json", content)
        yield Case(f"recipe-{label}", partial(read_recipe, str(path)), label in ("object",))
    yield Case("recipe-nul", partial(read_recipe, "a\0b"))


def _states(corpus: Corpus) -> Iterator[Case]:
    """States of searchers with a part that is missing or of another kind."""
    import nasurge

    space = nasurge.make_space("nb201")

    def load(name: str, state: object) -> object:
        searcher = nasurge.make_searcher(name, space, seed=0)
        searcher.load_state_dict(state)
        return searcher

    for name in ("random", "evolution", "local", "nsga2"):
        searcher = nasurge.make_searcher(name, space, seed=0)
        searcher.tell(space.sample(12, seed=0), np.arange(12.0))
        whole = searcher.state_dict()
        for key in whole:
            without = {k: v for k, v in whole.items() if k != key}
            yield Case(f"state-{name}-no-{key}", partial(load, name, without))
        for key in ("codes", "values", "rng", "space"):
            yield Case(f"state-{name}-{key}", partial(load, name, {**whole, key: "x"}))
        yield Case(f"state-{name}-list", partial(load, name, [1, 2]))


def _databases(corpus: Corpus) -> Iterator[Case]:
    """A search in a database that is damaged."""
    import nasurge
    from nasurge.search.store import run_stored

    def search(path: Path) -> object:
        searcher = nasurge.make_searcher(
            "evolution", nasurge.make_space("nb201"), seed=0, population_size=6
        )
        return run_stored(
            searcher,
            lambda codes: codes.sum(axis=1),
            storage=f"sqlite:///{path}",
            study="evolution",
            budget=9,
            batch=3,
            about={"batch": 3, "seed": 0},
        )

    content = old("searches.db")
    whole = corpus.write("database-whole", "s.db", content)
    yield Case("database-whole", partial(search, whole), harmless=True)
    for label, changed in damaged(content, corpus.rng, 3):
        if label != "empty":  # SQLite makes a new one
            path = corpus.write(f"database-{label}", "s.db", changed)
            harmless = label.startswith(("flip", "one", "last"))  # SQLite reads or begins them
            yield Case(f"database-{label}", partial(search, path), harmless)
    for label, (table, column, value) in {
        "state-no-json": ("trial_system_attributes", "value_json", "{"),
        "state-null": ("trial_system_attributes", "value_json", "null"),
        "state-list": ("trial_system_attributes", "value_json", "[]"),
        "about-no-json": ("study_user_attributes", "value_json", "{"),
        "about-list": ("study_user_attributes", "value_json", "[1]"),
        "distribution": ("trial_params", "distribution_json", "{}"),
        "trial-state": ("trials", "state", "NOTHING"),
    }.items():
        path = corpus.write(f"database-{label}", "s.db", content)
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
            database.commit()
        yield Case(f"database-{label}", partial(search, path))


def searches(corpus: Corpus) -> Iterator[Case]:
    """States of searchers, and searches in a database."""
    yield from _states(corpus)
    yield from _databases(corpus)
