"""Predicted latencies of devices that are left out: the study behind ``nasurge meta latency``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import interval
from ...benchmarks.metrics import spearman
from ...benchmarks.studies import Progress, Row, Study, fingerprint, versions, write_rows
from ...data.devices import one_thread
from ...data.tables import Table, read_latencies
from ...errors import ParameterError, UnknownNameError
from ...predictors.transfer import CANDIDATES, LatencyTransfer

Values = NDArray[np.float64]

METHODS = ("transfer", "transfer-random", "components", "nearest", "scratch")
"""Costs with chosen and with random measurements; and three simpler ways."""
MEAN = "mean"
"""Stands for all devices together in a summary."""
_COMPONENTS, _RIDGE = 3, 0.1
_FEWEST_TESTED = 10


@dataclass(frozen=True)
class LatencyStudy:
    """What ``latency_study`` found.

    Attributes
    ----------
    summary : list of dict
        One entry per device, method and number of measurements: ``spearman`` is a 95 % interval
        over trials; the device ``"mean"`` is over the trials' means over devices.
    rows : list of dict
        One entry per trial.
    folder : Path
    about : dict
    """

    summary: list[Row]
    rows: list[Row]
    folder: Path
    about: dict[str, Any]


def latency_study(
    path: str | Path,
    table: Table,
    *,
    devices: Sequence[str] = (),
    measurements: Sequence[int] = (10,),
    methods: Sequence[str] = METHODS,
    trials: int = 10,
    seed: int = 0,
    jobs: int = 1,
    out: Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> LatencyStudy:
    """Return how well latencies on left-out devices are ranked from a few measurements.

    Parameters
    ----------
    path : str or Path
        An ``npz`` file: one array of latencies a device, in the order of the table's rows.
    table : Table
    devices : sequence of str
        All of these are left out together. By default every device in turn, the others known.
    measurements : sequence of int
        How many architectures are measured on a left-out device.
    methods : sequence of str
        Some of ``METHODS``: ``transfer`` (``LatencyTransfer`` and its anchors),
        ``transfer-random`` (the same with architectures drawn at random), ``components`` (a ridge
        on three principal components of the known devices), ``nearest`` (the known device that
        ranks the measured ones best) and ``scratch`` (a ridge on operation counts). The last three
        measure the architectures of ``transfer-random``.
    trials, seed, jobs, out, command, progress
        As ``nasurge.benchmarks.studies.comparing.compare``.

    Raises
    ------
    UnknownNameError
        If a device or a method is not known.
    ParameterError
        If no device is left to learn from, no method is named, a number is below 1, or so many
        measurements leave no architectures to test on.
    StorageError, DataFileError
        If the file cannot be read or is no such file.
    """
    names, latencies = read_latencies(path, len(table))
    for kind, given, known in (("device", devices, names), ("method", methods, METHODS)):
        for name in given:
            if name not in known:
                raise UnknownNameError(kind, name, known)
    if not methods or not measurements:
        raise ParameterError(f"name a method ({', '.join(METHODS)}) and a number of measurements")
    if len(names) - max(1, len(devices)) < 1 or trials < 1 or min(measurements) < 1:
        raise ParameterError(
            f"a device is left to learn from, and trials and measurements are 1 or more; received "
            f"{len(names)} devices, {len(devices)} left out, {trials} and {list(measurements)}"
        )
    most = len(table) - _FEWEST_TESTED
    if "transfer" in methods:
        most = min(most, CANDIDATES)
    if max(measurements) > most:
        raise ParameterError(
            f"at most {most} of the {len(table)} architectures of table {table.name!r} can be "
            f"measured, not {max(measurements)}: the others are the test, and transfer chooses "
            f"among {CANDIDATES}"
        )
    about = {
        "kind": "latency",
        "table": table.digest,
        "devices": list(devices) or "each in turn",
        "latencies": fingerprint(dict(zip(names, latencies.T.tolist(), strict=True))),
        "measurements": sorted(set(measurements)),
        "methods": list(methods),
        "trials": trials,
        "seed": seed,
        "versions": versions(),
    }
    folder = out or Path("runs") / f"latency-{fingerprint(about)}"
    groups = [tuple(devices)] * len(devices) if devices else [(name,) for name in names]
    units = {
        f"{device} n={n}": (
            table,
            names,
            latencies,
            device,
            left_out,
            n,
            tuple(methods),
            trials,
            seed,
        )
        for device, left_out in zip(devices or names, groups, strict=True)
        for n in sorted(set(measurements))
    }
    rows = Study(folder, about, grows=()).run(units, _device, jobs=jobs, progress=progress)
    write_rows(folder, rows)
    return LatencyStudy(summarise(rows), rows, folder, {**about, "command": command})


def _device(
    table: Table,
    names: list[str],
    latencies: Values,
    device: str,
    left_out: tuple[str, ...],
    n: int,
    methods: tuple[str, ...],
    trials: int,
    seed: int,
) -> list[Row]:
    """Return the rows of one left-out device; the work of one unit."""
    known = latencies[:, [name not in left_out for name in names]]
    true = latencies[:, names.index(device)]
    rows = []
    with one_thread():
        model = LatencyTransfer(table.space).fit_devices(table.codes, known)
        for trial in range(trials):
            rng = np.random.default_rng([seed, trial])
            drawn = rng.choice(len(table), n, replace=False)
            chosen = drawn
            if "transfer" in methods:
                chosen = table.rows(model.anchors(n, among=table.codes, seed=rng))
            for method in methods:
                measured = chosen if method == "transfer" else drawn
                found = _estimate(method, model, table, known, measured, true[measured])
                test = np.setdiff1d(np.arange(len(table)), measured)
                rho = spearman(true[test], found[test])
                shared = {"device": device, "method": method, "measurements": n, "trial": trial}
                rows.append({**shared, "seed": seed, "spearman": rho})
    return rows


def _estimate(
    method: str,
    model: LatencyTransfer,
    table: Table,
    known: Values,
    measured: NDArray[np.int64],
    y: Values,
) -> Values:
    """Return the latencies that a method makes of a few measurements, shape (rows,)."""
    if method in ("transfer", "transfer-random"):
        return np.asarray(model.fit(table.codes[measured], y).predict(table.codes))
    if method == "nearest":
        agreement = [np.nan_to_num(spearman(y, column[measured])) for column in known.T]
        return np.asarray(known[:, int(np.argmax(agreement))])
    if method == "scratch":
        return _ridge(model.features(table.codes)[:, 1:], measured, y)
    logs = np.log(known)
    scaled = (logs - logs.mean(axis=0)) / np.maximum(logs.std(axis=0), 1e-12)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = min(_COMPONENTS, len(sizes))
    parts = left[:, :kept] * sizes[:kept] / np.sqrt(len(scaled))
    return _ridge(parts, measured, np.log(y))


def _ridge(features: Values, measured: NDArray[np.int64], y: Values) -> Values:
    """Return what a ridge regression on a few rows says of all, shape (rows,)."""
    x = features[measured] - features[measured].mean(axis=0)
    inner = x.T @ x + _RIDGE * np.eye(x.shape[1])
    slopes = np.linalg.solve(inner, x.T @ (y - y.mean()))
    return np.asarray((features - features[measured].mean(axis=0)) @ slopes + y.mean())


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return one entry per device, method and number of measurements; the means come last."""
    found: dict[tuple[str, str, int], list[float]] = {}
    means: dict[tuple[str, int], dict[int, list[float]]] = {}
    for row in rows:
        method, n, rho = row["method"], row["measurements"], row["spearman"]
        rho = float("nan") if rho is None else rho
        found.setdefault((row["device"], method, n), []).append(rho)
        means.setdefault((method, n), {}).setdefault(row["trial"], []).append(rho)
    for (method, n), by_trial in means.items():
        found[MEAN, method, n] = [float(np.mean(values)) for values in by_trial.values()]
    return [
        {"device": device, "method": method, "measurements": n, "spearman": interval(values)}
        for (device, method, n), values in found.items()
    ]
