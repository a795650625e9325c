"""Damaged and hostile tables, images and arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from cases import V0, Case, Corpus
from damage import (
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

CELLS = [
    f"|{a}~0|+|{b}~0|none~1|+|skip_connect~0|{a}~1|nor_conv_3x3~2|"
    for a in ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    for b in ("none", "nor_conv_3x3")
]


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
