"""What a store of earlier tasks gives one new task, beside the same search without them.

    NASURGE_DATA=FOLDER python tests/measured/new_task.py [--seeds 5] [--rows FILE]

The rule by which tasks are split, written before anything was measured: the store holds the tasks
that ``nasurge meta warm-start`` takes by default, since its settings were chosen while looking at
them, each searched cold. New tasks are of three sources of which no task was used for that:
alphabets of ``glyphs``, alphabets of Omniglot, and ten classes at a time of Tiny-ImageNet, of each
source the first four by the SHA-256 of their names. A script that is in the store, or was looked at
early, is left out of both sets of alphabets.

Everything runs through what the command runs, with its defaults. Rows are kept in FILE, and the
same call goes on there. About half an hour of processor time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasurge.benchmarks.intervals import interval
from nasurge.data.images.tasks import default_tasks
from nasurge.search.differentiable import Donor, keep_donor, read_donors
from nasurge.search.studies import NewTaskOptions, start_task

EACH = 4
"""New tasks of each source."""
GLYPHS = ("ARMENIAN", "COPTIC", "LISU", "NKO", "OGHAM", "OLD", "TIFINAGH")
OMNIGLOT = (
    *("Alphabet_of_the_Magi", "Anglo-Saxon_Futhorc", "Arcadian", "Armenian"),
    *("Asomtavruli_(Georgian)", "Balinese", "Bengali", "Burmese_(Myanmar)", "Early_Aramaic"),
    *("Futurama", "Grantha", "Hebrew", "Japanese_(hiragana)", "Korean", "Latin"),
    *("Mkhedruli_(Georgian)", "N_Ko", "Sanskrit", "Syriac_(Estrangelo)", "Tagalog", "Tifinagh"),
)
COMPARED = ("cold", "shuffled", "random donor", "farthest", "nearest")
"""Beside the meta-transfer start. ``shuffled`` is a random donor whose operations are exchanged."""


def by_digest(names: list[str] | tuple[str, ...]) -> list[str]:
    """Names in the order of their SHA-256."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())


def colour_folders(archive: Path, folder: Path) -> list[Path]:
    """Folders of ten classes each, the first by the digests of their names."""
    with tarfile.open(archive) as tar:
        members = {name: tar.getmember(name) for name in tar.getnames()}
        classes = by_digest(sorted({name.split("/")[1] for name in members}))
        groups = [classes[10 * k : 10 * k + 10] for k in range(EACH)]
        for name, member in members.items():
            label = name.split("/")[1]
            for k, group in enumerate(groups):
                if member.isfile() and label in group:
                    path = folder / f"colour-{k}" / label / Path(name).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(tar.extractfile(member).read())
    return [folder / f"colour-{k}" for k in range(EACH)]


def new_tasks(data: Path, folder: Path) -> dict[str, str]:
    """What ``--images`` is for each new task, by its name."""
    omniglot = data / "omniglot_background_28x28.npz"
    colours = colour_folders(data / "tiny_imagenet_80x130.tar", folder)
    return {
        **{f"glyphs {name}": f"glyphs#{name}" for name in by_digest(GLYPHS)[:EACH]},
        **{f"Omniglot {name}": f"{omniglot}#{name}" for name in by_digest(OMNIGLOT)[:EACH]},
        **{f"Tiny-ImageNet {k}": str(path) for k, path in enumerate(colours)},
    }


def shuffled(donor: Donor, seed: int) -> Donor:
    """A donor that knows nothing: as sure as it was, of other operations."""
    rng = np.random.default_rng(seed)
    return replace(donor, task="shuffled", shares=rng.permuted(donor.shares, axis=1))


def started(store: Path, images: str, name: str, seed: int, start: str) -> dict[str, Any]:
    """What the command says of a new task, and its processor time."""
    options = NewTaskOptions(
        store=store, images=images, name=name, seed=seed, start=start, keep=False, device="cpu"
    )
    begin = time.process_time()
    found = start_task(options)
    [row] = found["summary"]
    searched = next(each for each in found["trained"] if each["of"] == "search")
    return {
        "accuracy": row["accuracy"],
        "searched": searched["accuracy"],
        "accepted": row["accepted"],
        "earlier": [(each["task"], each["transport"]) for each in found["earlier"]],
        "seconds": time.process_time() - begin,
    }


def task_rows(store: Path, images: str, name: str, seed: int) -> Iterator[dict[str, Any]]:
    """All starts of one task with one seed."""
    about = {"task": name, "seed": seed}
    cold = started(store, images, name, seed, "cold")
    order = [task for task, _ in cold["earlier"]]
    donors = {donor.task: donor for donor in read_donors(store)}
    rng = np.random.default_rng([seed, *name.encode()])
    drawn = order[rng.integers(len(order))]
    chosen = {
        "nearest": donors[order[0]],
        "farthest": donors[order[-1]],
        "random donor": donors[drawn],
        "shuffled": shuffled(donors[drawn], seed),
    }
    yield {**about, "start": "cold", **cold}
    yield {
        **about,
        "start": "meta-transfer",
        **started(store, images, name, seed, "meta-transfer"),
    }
    known: dict[str, dict[str, Any]] = {}
    for start, donor in chosen.items():
        if donor.task not in known:
            with tempfile.TemporaryDirectory() as folder:
                keep_donor(Path(folder), donor)
                known[donor.task] = started(Path(folder), images, name, seed, "transport")
        yield {**about, "start": start, "donor": donor.task, **known[donor.task]}


def summary(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown: every start, and the paired differences of the meta-transfer start."""
    frame = pd.DataFrame(rows)
    # A claim is about tasks: seeds are averaged first.
    means = frame.groupby(["task", "start"])[["accuracy", "searched", "accepted", "seconds"]].mean()
    by_start = means.groupby("start").mean()
    yield "| start | accuracy | of the search alone | taken at the gate | CPU s |"
    yield "| --- | --- | --- | --- | --- |"
    for start in ("meta-transfer", *COMPARED):
        row = by_start.loc[start]
        yield (
            f"| {start} | {row.accuracy:.1f} | {row.searched:.1f} | {row.accepted:.0%} "
            f"| {row.seconds:.1f} |"
        )
    yield ""
    yield "| meta-transfer less | accuracy | tasks won | of the search alone |"
    yield "| --- | --- | --- | --- |"
    accuracy, searched = (means[key].unstack("start") for key in ("accuracy", "searched"))
    for start in COMPARED:
        cells = []
        for by_task in (accuracy, searched):
            difference = by_task["meta-transfer"] - by_task[start]
            over = interval(difference)
            cells.append("{mean:+.1f} ({low:+.1f} to {high:+.1f})".format(**over))
        won = int((accuracy["meta-transfer"] > accuracy[start]).sum())
        yield f"| {start} | {cells[0]} | {won} of {len(accuracy)} | {cells[1]} |"
    yield ""
    yield "| task | " + " | ".join(("meta-transfer", *COMPARED)) + " |"
    yield "| --- |" + " --- |" * (1 + len(COMPARED))
    for task, row in accuracy.iterrows():
        shown = (f"{row[start]:.1f}" for start in ("meta-transfer", *COMPARED))
        yield f"| {task} | " + " | ".join(shown) + " |"


def main() -> None:
    """Measure what is missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=Path, default=Path("new-task.jsonl"))
    parser.add_argument("--stores", type=Path, default=Path("new-task-stores"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    if arguments.rows.exists():
        rows = [json.loads(line) for line in arguments.rows.read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        tasks = new_tasks(Path(os.environ["NASURGE_DATA"]), Path(folder))
        for seed in range(arguments.seeds):
            store = arguments.stores / f"seed-{seed}"
            store.mkdir(parents=True, exist_ok=True)
            have = {donor.task for donor in read_donors(store)}
            for task in set(default_tasks()) - have:
                start_task(
                    NewTaskOptions(store=store, images=task, seed=seed, start="cold", device="cpu")
                )
            for name, images in tasks.items():
                if any((r["task"], r["seed"]) == (name, seed) for r in rows):
                    continue
                new = list(task_rows(store, images, name, seed))
                rows += new
                with arguments.rows.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
                print(seed, name, {r["start"]: round(r["accuracy"], 1) for r in new}, flush=True)
    print(*summary(rows), sep="\n")


if __name__ == "__main__":
    main()
