"""Where the files of the first version lie, and how they are read: see v0/README.md."""

import json
import lzma
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

import nasurge
from nasurge.cli import app
from nasurge.search.studies import WarmStartOptions

V0 = Path(__file__).parent / "v0"
FILES, STUDIES = V0 / "files", V0 / "studies"
SPACE = nasurge.make_space("nb201")
WARM = WarmStartOptions(
    tasks=("digits", "glyphs#HEBREW", "glyphs#LAO"),
    size=8,
    classes=5,
    train=60,
    held_out=30,
    seeds=2,
    epochs=4,
    gate=1,
    width=2,
    train_epochs=1,
    shared=3,
    strengths=(1.0,),
)


def unpacked(source: Path, folder: Path) -> Path:
    """A copy of a file, decompressed."""
    path = folder / source.name.removesuffix(".xz")
    path.write_bytes(lzma.decompress(source.read_bytes()))
    return path


def units(folder: Path) -> dict[str, list[dict]]:
    lines = (folder / "rows.jsonl").read_text().splitlines()
    return {entry["unit"]: entry["rows"] for entry in map(json.loads, lines)}


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def value(codes: np.ndarray) -> np.ndarray:
    """Made-up values, some of them failures."""
    values = np.sin(codes @ np.arange(1.0, 7.0))
    return np.where(codes.sum(axis=1) % 7 == 3, np.nan, values)


def two(codes: np.ndarray) -> np.ndarray:
    return np.stack([value(codes), np.cos(codes @ np.arange(1.0, 7.0))], axis=1)
