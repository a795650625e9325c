"""Layouts of published benchmarks that are no tables: what they are, and how to make one."""

from __future__ import annotations

from pathlib import Path

_CSV = (
    "write a CSV file with one row per architecture, its string and its numbers, with the "
    "benchmark's own package; layouts that are read: CSV, Parquet, the pickle of HW-NAS-Bench, the "
    "JSON file of NAS-Bench-Macro, the archive of Accel-NASBench, the files of the packages "
    "analog-nasbench and nas-bench-graph"
)
_PICKLES = "pickles that only run with its own code, and pickles are not run here"


def official_layout(path: Path) -> str | None:
    """What a published file or folder is that is not read, and what to do; None for any other.

    Only names and first bytes are looked at.
    """
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
        if any(name.startswith("meta.pickle") for name in names):
            return f"the folder of NATS-Bench: {_PICKLES}; {_CSV}"
        if any(name.startswith("darts_") or name == "surrogate_models" for name in names):
            return f"a folder of NAS-Bench-301: files that only its own code reads; {_CSV}"
        return None
    with path.open("rb") as file:
        start = file.read(4096)
    if path.suffix == ".tfrecord" or (start[5:8] == bytes(3) and start[12:14] == b'["'):
        return (
            f"a tfrecord file, such as that of NAS-Bench-101, which only its own code reads; {_CSV}"
        )
    if start.startswith(b"\x89HDF\r\n"):
        return f"a file of HDF5; {_CSV}"
    if start.startswith(b"\x80") and path.suffix in (".pth", ".pt"):
        return f"a file of PyTorch, such as that of NAS-Bench-201: {_PICKLES}; {_CSV}"
    return None
