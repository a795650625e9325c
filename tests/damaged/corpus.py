"""Damaged and hostile files for every reader, made anew from a seed."""

from __future__ import annotations

import json
import lzma
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from damage import (
    DOCUMENTS,
    damaged,
    npy,
    packed,
    pickles,
    png,
    sparse_tar,
    tar,
    tar_that_claims,
    zeros,
    zipped,
)

V0 = Path(__file__).parents[1] / "old" / "v0"
CELLS = [
    f"|{a}~0|+|{b}~0|none~1|+|skip_connect~0|{a}~1|nor_conv_3x3~2|"
    for a in ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    for b in ("none", "nor_conv_3x3")
]


class Case(NamedTuple):
    """A file, what reads it, and whether it may be read: a flipped bit may do no harm."""

    name: str
    read: Callable[[], object]
    harmless: bool = False


class Corpus:
    """Writes files into a folder of their own each.

    Parameters
    ----------
    folder : Path
    seed : int
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.canary = folder / "was-run"
        self.rng = np.random.default_rng(seed)

    def place(self, name: str) -> Path:
        """A new folder."""
        path = self.folder / "files" / name
        path.mkdir(parents=True)
        return path

    def write(self, name: str, file: str, content: bytes) -> Path:
        """A file in a new folder."""
        path = self.place(name) / file
        path.write_bytes(content)
        return path

    def variants(
        self,
        reader: str,
        file: str,
        content: bytes,
        read: Callable[[Path], object],
        *,
        flips: int = 3,
        harmless: tuple[str, ...] = ("flipped", "zeros"),
    ) -> Iterator[Case]:
        """Yield cases of one file that is damaged in every way."""
        for label, changed in damaged(content, self.rng, flips):
            name = f"{reader}-{label}"
            path = self.write(name, file, changed)
            yield Case(name, partial(read, path), label.startswith(harmless))

    def files(
        self, reader: str, file: str, contents: dict[str, bytes], read: Callable[[Path], object]
    ) -> Iterator[Case]:
        """Yield a case of each of several files."""
        for label, content in contents.items():
            yield Case(
                f"{reader}-{label}", partial(read, self.write(f"{reader}-{label}", file, content))
            )


def old(place: str) -> bytes:
    """Content of a file of the first version."""
    return lzma.decompress((V0 / f"{place}.xz").read_bytes())


# Tables


def tables(corpus: Corpus) -> Iterator[Case]:
    """CSV, compressed CSV, Parquet, schemas, and the pickles that packages ship."""
    import io

    import pandas as pd
    from forgeries import forged_tables

    from nasurge.data.sources import make_source, read_tables
    from nasurge.data.tables.files import read_table

    rows = [f"{cell},{50 + k},{k}" for k, cell in enumerate(CELLS)]
    text = "\n".join(["arch,accuracy,params", *rows, ""]).encode()
    yield Case(
        "csv-whole", partial(read_tables, corpus.write("csv-whole", "t.csv", text)), harmless=True
    )
    yield from corpus.variants(
        "csv", "t.csv", text, read_tables, harmless=("flipped", "half", "last", "zeros", "random")
    )
    yield from corpus.variants("csv-gz", "t.csv.gz", packed("gz", text), read_tables)
    frame, parquet = pd.read_csv(io.BytesIO(text)), io.BytesIO()
    frame.to_parquet(parquet)
    yield from corpus.variants("parquet", "t.parquet", parquet.getvalue(), read_tables)
    yield from corpus.files("bomb", "t.csv.gz", {"gz": zeros("gz", 100)}, read_tables)
    bad = {
        "no-header": b"\n\n\n",
        "nul": b"arch,acc\n\0\0\0,1\n",
        "0xff": b"arch,acc\n\xff\xfe,1\n",
        "no-numbers": b"arch,acc\na,b\n",
        "ragged": b"arch,acc\na,1,2,3\nb\n",
        "quote": b'arch,acc\n"a,1\n',
    }
    yield from corpus.files("csv", "t.csv", bad, read_tables)
    for label, schema in schemas().items():
        path = corpus.write(f"schema-{label}", "t.csv", text)
        path.with_name("t.csv.toml").write_bytes(schema)
        yield Case(f"schema-{label}", partial(read_tables, path))
    kept = (V0 / "home" / "tables" / "tiny.safetensors").read_bytes()
    yield from corpus.variants("table", "tiny.safetensors", kept, read_table, harmless=())
    yield from corpus.files("table", "tiny.safetensors", forged_tables(kept), read_table)
    analog = make_source("analog-nasbench")
    for label, content in pickles(str(corpus.canary)).items():
        if label.startswith(("calls-system", "calls-getattr")) or "-" not in label[:6]:
            path = corpus.write(f"analog-{label}", "data.anb", content)
            yield Case(f"analog-{label}", partial(analog.read, path))
    yield from _graphs(corpus)


def schemas() -> dict[str, bytes]:
    """Descriptions that are none."""
    start = b'architecture = "arch"\n[column]\n'
    return {
        "no-toml": b"architecture = \n",
        "0xff": b'architecture = "arch\xff"\n',
        "empty": b"",
        "deep-list": b"a = " + b"[" * 50_000,
        "deep-table": b"a = " + b"{a=" * 50_000,
        "deep-keys": b"[" + b".".join([b"a"] * 5000) + b"]\n",
        "list-for-table": b'architecture = "arch"\ncolumn = [1, 2]\n',
        "text-for-column": start + b'accuracy = "x"\n',
        "unknown-key": start + b"accuracy = { colour = 1 }\n",
        "column-that-is-not": start + b'other = { metric = "x" }\n',
        "number-for-text": b"architecture = 3\n[column]\naccuracy = {}\n",
        "bad-expression": start + b'accuracy = {}\n[[table]]\nselect = "("\n',
    }


def _graphs(corpus: Corpus) -> Iterator[Case]:
    """Folders that look like the package's of graph networks."""
    from nasurge.data.sources import make_source
    from nasurge.data.sources.nbgraph import TASKS

    read = make_source("nas-bench-graph").read
    whole = pickle.dumps({10000 + k: {"perf": 0.5} for k in range(5)}, 2)
    for label, content in {
        **{k: v for k, v in pickles(str(corpus.canary)).items() if k.startswith("calls-exec")},
        "half": whole[: len(whole) // 2],
        "lists": pickle.dumps([1, 2]),
        "other": whole,
        "deep": pickle.dumps({1: {"perf": [[[1]]], "valid_perf": 1, "latency": 1, "para": 1}}),
        "keys": pickle.dumps({"x": {}, (1, 2): {}}),
    }.items():
        folder = corpus.place(f"graphs-{label}")
        for task in TASKS:
            (folder / f"{task}.bench").write_bytes(content)
        yield Case(f"graphs-{label}", partial(read, folder))


# Images


def images(corpus: Corpus) -> Iterator[Case]:
    """Folders, archives and the publishers' own files."""
    from nasurge.data.images import load_images

    good = png(8, 8)
    layout = {
        f"{part}/{c}/{k}.png": good for part in ("train", "test") for c in "ab" for k in "123"
    }
    first = "train/a/1.png"
    whole = corpus.write("images-whole", "set.tar", tar(layout))
    yield Case("images-whole", partial(load_images, whole), harmless=True)
    for kind in ("", "gz", "xz"):
        file = f"set.tar{'.' if kind else ''}{kind}"
        content = tar(layout, kind)
        yield from corpus.variants(
            f"{file}", file, content, load_images, flips=2, harmless=("flipped", "zeros", "last")
        )
    pictures = {
        "claims-much": png(60_000, 60_000, real=False),
        "many-pixels": png(3000, 1000),
        "no-image": b"text",
        "half": good[:40],
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        "huge-text": b"\x89PNG\r\n\x1a\n" + bytes(50),
    }
    for label, picture in pictures.items():
        path = corpus.write(f"picture-{label}", "set.tar", tar({**layout, first: picture}))
        yield Case(f"picture-{label}", partial(load_images, path))
    hostile = {
        "claims-much.tar": tar_that_claims(first, 3 << 30),
        "sparse.tar": sparse_tar(first, 3 << 30),
        "bomb.tar.gz": packed("gz", tar_that_claims("other", 100 << 20)) + zeros("gz", 100),
        "tail.tar.gz": packed("gz", tar(layout)) + zeros("gz", 100),
        "big-member.tar.gz": tar({**layout, first: bytes(100 << 20)}, "gz"),
        "many.tar.gz": tar({f"x{k}": b"" for k in range(10_001)}, "gz"),
        "only-train.tar": tar({k: v for k, v in layout.items() if k.startswith("train")}),
        "two-sizes.tar": tar({**layout, first: png(9, 8)}),
        "outside.tar": tar({f"../../{k}": v for k, v in layout.items()}),
        "long-name.tar": tar({"x" * 5000 + "/" + first: good}),
    }
    for file, content in hostile.items():
        yield Case(f"tar-{file}", partial(load_images, corpus.write(f"tar-{file}", file, content)))
    yield Case("images-nothing", partial(load_images, corpus.folder / "nothing.tar"))
    yield from _idx(corpus, load_images)
    yield from _cifar(corpus, load_images)
    yield from _omniglot(corpus, load_images)


def _idx(corpus: Corpus, read: Callable[[Path], object]) -> Iterator[Case]:
    size = (3).to_bytes(4, "big")
    pictures = (0x803).to_bytes(4, "big") + (6).to_bytes(4, "big") + size + size + bytes(54)
    labels = (0x801).to_bytes(4, "big") + (6).to_bytes(4, "big") + bytes([0, 1, 0, 1, 0, 1])
    most = b"\xff\xff\xff\xff"
    heads = {
        "absurd": pictures[:4] + 3 * most + bytes(54),
        "product-wraps": pictures[:4] + 2 * (1 << 31).to_bytes(4, "big") + bytes(4) + bytes(54),
        "none": pictures[:4] + bytes(12),
        "more-labels": labels + b"\1",
        "bomb": b"",
    }
    contents = dict(damaged(pictures, corpus.rng, 2)) | heads
    for label, content in contents.items():
        folder = corpus.place(f"idx-{label}")
        for part in ("train", "t10k"):
            (folder / f"{part}-images-idx3-ubyte").write_bytes(pictures)
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
        kind = "labels-idx1" if label == "more-labels" else "images-idx3"
        file = folder / f"train-{kind}-ubyte"
        if label == "bomb":
            file.unlink()
            file.with_name(file.name + ".gz").write_bytes(zeros("gz", 100))
        else:
            file.write_bytes(content)
        yield Case(f"idx-{label}", partial(read, folder), label.startswith(("flipped", "zeros")))


def _cifar(corpus: Corpus, read: Callable[[Path], object]) -> Iterator[Case]:
    pixels = np.zeros((10, 3072), np.uint8)
    batch = pickle.dumps({b"data": pixels, b"labels": [0, 1] * 5}, 2)
    meta = pickle.dumps({b"label_names": [b"a", b"b"]}, 2)
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]

    def archive(**changed: bytes) -> bytes:
        members = {**dict.fromkeys(names, batch), "batches.meta": meta}
        members |= {name.replace("meta", "batches.meta"): v for name, v in changed.items()}
        return tar({f"cifar-10-batches-py/{name}": v for name, v in members.items()})

    whole = corpus.write("cifar-whole", "cifar.tar", archive())
    yield Case("cifar-whole", partial(read, whole), harmless=True)
    for label, content in pickles(str(corpus.canary)).items():
        path = corpus.write(f"cifar-{label}", "cifar.tar", archive(data_batch_3=content))
        yield Case(f"cifar-{label}", partial(read, path))
    for label, content in {
        "labels-missing": pickle.dumps({b"data": pixels}, 2),
        "label-below-0": pickle.dumps({b"data": pixels, b"labels": [-1] * 10}, 2),
        "label-above": pickle.dumps({b"data": pixels, b"labels": [7] * 10}, 2),
        "shape": pickle.dumps({b"data": pixels[:, :7], b"labels": [0] * 10}, 2),
        "list": pickle.dumps([pixels], 2),
        "arrays-in-list": pickle.dumps({b"data": [pixels] * 9, b"labels": [0] * 90}, 2),
        "objects": pickle.dumps({b"data": np.array([None, 1], object), b"labels": [0]}, 2),
        "half": batch[: len(batch) // 2],
    }.items():
        path = corpus.write(f"cifar-batch-{label}", "cifar.tar", archive(data_batch_3=content))
        yield Case(f"cifar-batch-{label}", partial(read, path))
    for label, content in {
        "numbers": pickle.dumps({b"label_names": [1, 2]}, 2),
        "none": pickle.dumps({}, 2),
        "deep": b"]" * 100_000 + b"a" * 99_999 + b".",
    }.items():
        path = corpus.write(f"cifar-meta-{label}", "cifar.tar", archive(meta=content))
        yield Case(f"cifar-meta-{label}", partial(read, path))
    ends = ("flipped", "zeros", "last")
    yield from corpus.variants("cifar", "cifar.tar", archive(), read, harmless=ends)


def _omniglot(corpus: Corpus, read: Callable[[Path], object]) -> Iterator[Case]:
    good = png(105, 105)
    names = [f"images_background/A/character0{c}/{k}.png" for c in "12" for k in "1234"]
    archive = zipped(dict.fromkeys(names, good))
    yield from corpus.variants("omniglot-zip", "o.zip", archive, read)
    hostile = {
        "sizes": zipped({**dict.fromkeys(names, good), names[0]: png(9, 9)}),
        "bomb": zipped({**dict.fromkeys(names, good), names[0]: bytes(100 << 20)}),
        "claims-much": zipped(
            {**dict.fromkeys(names, good), names[0]: png(40_000, 40_000, real=False)}
        ),
        "none": zipped({"a": b"b"}),
    }
    yield from corpus.files("omniglot-zip", "o.zip", hostile, read)
    arrays = {
        "images": npy("'|u1'", "(2, 98)", bytes(196)),
        "label": npy("'<i8'", "(2,)", bytes(16)),
        "alphabet": npy("'<U1'", "(1,)", b"a\0\0\0"),
        "character": npy("'<U1'", "(1,)", b"b\0\0\0"),
    }
    for label, changed in {
        "negative": {"label": npy("'<i8'", "(2,)", b"\xff" * 16)},
        "missing": {"label": b""},
        "floats": {"images": npy("'<f8'", "(2, 98)", bytes(1568))},
        "empty": {"images": npy("'|u1'", "(0, 98)"), "label": npy("'<i8'", "(0,)")},
    }.items():
        members = {f"{k}.npy": v for k, v in {**arrays, **changed}.items()}
        path = corpus.write(f"omniglot-npz-{label}", "o.npz", zipped(members))
        yield Case(f"omniglot-npz-{label}", partial(read, path))


# Arrays


def arrays(corpus: Corpus) -> Iterator[Case]:
    """npz files: labels of many tasks, latencies, computed values."""
    from nasurge.data.networks.computed import Computed
    from nasurge.data.spaces import make_space
    from nasurge.data.tables import read_latencies, read_task_labels

    space = make_space("nb201")

    def triples(path: Path) -> object:
        return read_task_labels(path, space)

    def latencies(path: Path) -> object:
        return read_latencies(path, 16)

    def computed(path: Path) -> object:
        kept = Computed(path, (("a",),))
        return kept.get(np.arange(3), ["a"], lambda ids, _: np.zeros((len(ids), 1)))

    content = (V0 / "files" / "triples.npz").read_bytes()
    yield from corpus.variants("triples", "t.npz", content, triples, flips=10)
    content = (V0 / "files" / "latencies.npz").read_bytes()
    yield from corpus.variants("latencies", "l.npz", content, latencies, flips=6)
    hostile = {
        "no-zip": b"PK\3\4" + bytes(100),
        "empty-zip": zipped({}),
        "no-arrays": zipped({"a.txt": b"text"}),
        "objects": zipped({"a.npy": npy("'|O'", "(1,)", b"N.")}),
        "claims-much": zipped({"a.npy": npy("'<f8'", "(1000000000000,)", bytes(8))}),
        "wraps": zipped({"a.npy": npy("'<f8'", "(4294967296, 4294967296)", bytes(8))}),
        "negative": zipped({"a.npy": npy("'<f8'", "(-1, -8)", bytes(64))}),
        "deep-header": zipped({"a.npy": npy("(" * 2000, "(1,)", bytes(8))}),
        "code-header": zipped({"a.npy": npy("__import__('os').system('true')", "(1,)")}),
        "long-header": zipped({"a.npy": npy("'<f8'" + " " * 20_000, "(1,)", bytes(8))}),
        "bomb": zipped({"a.npy": npy("'|u1'", f"({100 << 20},)", bytes(100 << 20))}),
        "many": zipped({f"{k}.npy": b"" for k in range(10_001)}),
        "other-dtype": zipped({"a.npy": npy("'<M8[s]'", "(16,)", bytes(128))}),
        "infinite": zipped({"a.npy": npy("'<f8'", "(16,)", b"\0\0\0\0\0\0\xf0\x7f" * 16)}),
    }
    yield from corpus.files("latencies", "l.npz", hostile, latencies)
    wrong = {
        "ids.npy": npy("'<f8'", "(3,)", bytes(24)),
        "values.npy": npy("'<U1'", "(3, 1)", b"a" * 12),
    }
    for label, changed in {
        "other": zipped(wrong),
        "garbage": b"no npz",
        "half": content[:99],
    }.items():
        path = corpus.write(f"computed-{label}", "c.npz", changed)
        yield Case(f"computed-{label}", partial(computed, path), harmless=True)


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
    from nasurge.benchmarks.studies.compare_page import predictions_path
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


GROUPS: dict[str, Callable[[Corpus], Iterator[Case]]] = {
    "tables": tables,
    "images": images,
    "arrays": arrays,
    "learnt": learnt,
    "studies": studies,
    "searches": searches,
}
