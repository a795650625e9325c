"""Predicted latencies of devices that are left out: the study behind ``nasurge meta latency``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.intervals import Interval
from ...benchmarks.metrics import spearman
from ...benchmarks.studies import (
    Findings,
    Page,
    Parts,
    Row,
    Section,
    Study,
    TextTable,
    Unit,
    best_with,
    by_name,
    by_number,
    chosen,
    descending,
    fingerprint,
    grouped,
    interval_text,
    interval_words,
    keep_points,
    measured_cases,
    number_of,
    numbers,
    predicted_against_true,
    predictions_path,
    read_points,
    versions,
)
from ...data.devices import one_thread
from ...data.tables import Table, load_table, read_latencies
from ...data.types import Values
from ...errors import ParameterError
from ...predictors.transfer import CANDIDATES, LatencyTransfer
from .names import LATENCY_METHODS
from .options import LatencyOptions

MEAN = "mean"
"""Stands for all devices together in a summary."""
_COMPONENTS, _RIDGE = 3, 0.1
_FEWEST_TESTED = 10
_SHOWN = 300  # architectures in a picture of predicted against measured latencies


class LatencyRow(TypedDict):
    """One method on one left-out device in one trial."""

    device: Annotated[str, "device that was left out"]
    method: Annotated[str, "what predicts its latencies"]
    measurements: Annotated[int, "architectures measured on it"]
    trial: Annotated[int, "number of the draw of these architectures"]
    seed: Annotated[int, "seed of the study"]
    spearman: Annotated[float, "correlation with measured latency over all other architectures"]


class LatencyEntry(TypedDict):
    """One method on one left-out device, over trials."""

    device: Annotated[str, "device that was left out; mean stands for all of them"]
    method: Annotated[str, "what predicts its latencies"]
    measurements: Annotated[int, "architectures measured on it"]
    spearman: Annotated[Interval, "correlation with measured latency, over trials"]


@dataclass(frozen=True, repr=False)
class LatencyFindings(Findings):
    """Outcome of ``meta latency``: an entry per device, method and number of measurements."""

    def best(self, measurements: int | None = None) -> Row:
        """Entry of the method with the highest mean Spearman correlation over all devices.

        Parameters
        ----------
        measurements : int, optional
            Architectures measured on a device; by default the largest number.

        Raises
        ------
        ParameterError
            If nothing was measured with so many.
        """
        means = [entry for entry in self.summary if entry["device"] == MEAN]
        return best_with(means, "spearman", "measurements", measurements)


@dataclass(frozen=True)
class LatencyUnit:
    """All methods and trials on one left-out device."""

    study: LatencyStudy
    device: str
    left_out: tuple[str, ...]
    measurements: int
    folder: Path

    def __call__(self) -> list[Row]:
        """Rows of the device, one per trial and method."""
        study, n = self.study, self.measurements
        table, methods = study.table, study.methods
        donors = study.latencies[:, [name not in self.left_out for name in study.devices]]
        true = study.latencies[:, study.devices.index(self.device)]
        rows: list[LatencyRow] = []
        with one_thread():
            model = LatencyTransfer(table.space).fit_devices(table.codes, donors)
            for trial in range(study.options.trials):
                rng = np.random.default_rng([study.options.seed, trial])
                drawn = rng.choice(len(table), n, replace=False)
                anchors = drawn
                if "transfer" in methods:
                    anchors = table.rows(model.anchors(n, among=table.codes, seed=rng))
                for method in methods:
                    measured = anchors if method == "transfer" else drawn
                    predicted = _predict(method, model, table, donors, measured, true[measured])
                    test = np.setdiff1d(np.arange(len(table)), measured)
                    if trial == 0:
                        self._keep(method, true[test], predicted[test])
                    rows.append(
                        {
                            "device": self.device,
                            "method": method,
                            "measurements": n,
                            "trial": trial,
                            "seed": study.options.seed,
                            "spearman": spearman(true[test], predicted[test]),
                        }
                    )
        return [dict(row) for row in rows]

    def _keep(self, method: str, true: Values, predicted: Values) -> None:
        """Keep latencies of a few architectures for the report, the same of all methods."""
        rng = np.random.default_rng([self.study.options.seed, 1])
        few = rng.permutation(len(true))[:_SHOWN]
        path = predictions_path(self.folder, self.device, method, self.measurements)
        keep_points(path, true[few], predicted[few])


class LatencyStudy(Study[LatencyFindings, LatencyOptions]):
    """Spearman correlation of predicted latencies with those measured on left-out devices.

    Parameters
    ----------
    options : LatencyOptions
        ``methods`` are some of ``LATENCY_METHODS``. All but ``transfer`` measure the same
        architectures.

    Raises
    ------
    UnknownNameError
        If a table, device or method is not known.
    ParameterError
        If no device is left to learn from, no method is named, a number is below 1, or so many
        measurements leave no architectures to test on.
    StorageError, DataFileError
        If the file cannot be read or is no such file.
    """

    kind = "latency"
    title = "Latencies on devices that were left out"
    command = "meta latency"
    options_type = LatencyOptions
    findings = LatencyFindings
    row = LatencyRow
    entry = LatencyEntry

    def __init__(self, options: LatencyOptions) -> None:
        self.options = options
        self.table = load_table(options.table)
        self.devices, self.latencies = read_latencies(options.file, len(self.table))
        self.left_out = (
            chosen(options.devices, self.devices, kind="device") if options.devices else []
        )
        self.methods = chosen(options.methods, tuple(LATENCY_METHODS), kind="method")
        self.measurements = sorted(set(options.measurements))
        self._check()

    def _check(self) -> None:
        names, numbers, trials = self.devices, self.measurements, self.options.trials
        enough = len(names) - max(1, len(self.left_out)) >= 1
        if not enough or trials < 1 or not numbers or numbers[0] < 1:
            raise ParameterError(
                "a device is left to learn from, and trials and measurements are 1 or more; "
                f"received {len(names)} devices, {len(self.left_out)} left out, {trials} and "
                f"{numbers}"
            )
        most = len(self.table) - _FEWEST_TESTED
        if "transfer" in self.methods:
            most = min(most, CANDIDATES)
        if numbers[-1] > most:
            raise ParameterError(
                f"at most {most} of the {len(self.table)} architectures of table "
                f"{self.table.name!r} can be measured, not {numbers[-1]}: the others are the "
                f"test, and transfer chooses among {CANDIDATES}"
            )

    def about(self) -> dict[str, Any]:
        """JSON description of the study."""
        return {
            "table": self.table.digest,
            "devices": self.left_out or "each in turn",
            "latencies": fingerprint(
                dict(zip(self.devices, self.latencies.T.tolist(), strict=True))
            ),
            "measurements": self.measurements,
            "methods": self.methods,
            "trials": self.options.trials,
            "seed": self.options.seed,
            "versions": versions(),
        }

    def units(self, folder: Path) -> Mapping[str, Unit]:
        """One unit per left-out device and number of measurements."""
        together = tuple(self.left_out)
        return {
            f"{device} n={n}": LatencyUnit(self, device, together or (device,), n, folder)
            for device in self.left_out or self.devices
            for n in self.measurements
        }

    def summarise(self, rows: Sequence[Row]) -> Parts:
        """One entry per device, method and number of measurements; the means come last."""
        return {"summary": _summary(rows)}

    @classmethod
    def restored(cls, rows: Sequence[Row], about: Mapping[str, Any]) -> Parts | None:
        """Summary made of the rows alone; None if the study is not finished."""
        wanted = len(about["methods"]) * about["trials"]
        cases = Counter((row["device"], row["measurements"]) for row in rows)
        devices = about["devices"]
        unfinished = (
            any(n != wanted for n in cases.values())
            or not {n for _, n in cases} >= set(about["measurements"])
            or (isinstance(devices, list) and not {d for d, _ in cases} >= set(devices))
        )
        return None if unfinished else {"summary": _summary(rows)}

    @classmethod
    def table_of(cls, found: Parts) -> TextTable:
        """Spearman correlation per device, method and number of measurements."""
        shown = [
            [row["device"], row["method"], str(row["measurements"]), interval_text(row["spearman"])]
            for row in found["summary"]
        ]
        means = [k for k, row in enumerate(found["summary"]) if row["device"] == MEAN]
        return TextTable(("device", "method", "measured", "Spearman"), shown, means[:1])

    @classmethod
    def page(cls, found: Parts, folder: Path) -> Page:
        """Report of the correlations."""
        about, means = found["about"], [e for e in found["summary"] if e["device"] == MEAN]
        means.sort(key=lambda e: descending(e["spearman"]))
        won = means[0]
        devices = {entry["device"] for entry in found["summary"]} - {MEAN}
        lead = (
            f"Best over {number_of(len(devices), 'left-out device')}: {won['method']} with "
            f"{number_of(won['measurements'], 'measurement')}, Spearman "
            f"{interval_text(won['spearman'])} ({number_of(about['trials'], 'trial')})."
        )
        text = f"{interval_words(about['trials'])} The device mean is over all left-out devices."
        sections = [
            *_correlations(found["summary"], text),
            *_predictions(found["summary"], about, folder),
            Section.of("All numbers", cls.table_of(found)),
        ]
        return Page(lead, sections, about)


def _correlations(summary: Sequence[Row], text: str) -> list[Section]:
    """Pictures of the correlations: over all devices, and on each."""
    means = [entry for entry in summary if entry["device"] == MEAN]
    most = max(entry["measurements"] for entry in means)
    devices = {
        device: {e["method"]: e["spearman"] for e in members if e["measurements"] == most}
        for device, members in grouped(summary, "device").items()
        if device != MEAN
    }
    over = by_number(
        "by-measurements",
        "Spearman's correlation over all devices against measurements",
        means,
        line="method",
        number=("measurements", "architectures measured"),
        measures={"spearman": "Spearman"},
    )
    each = by_name("by-device", "Spearman's correlation", devices, quantity="Spearman")
    return [
        Section("Over all devices", text, [over]),
        Section("On each device", f"With {number_of(most, 'measurement')}.", [each]),
    ]


def _predictions(summary: Sequence[Row], about: Mapping[str, Any], folder: Path) -> list[Section]:
    """Predicted against measured latencies, on the devices where the best method does least well.

    Folders of before they were kept have none.
    """
    most = max(about["measurements"])
    means = [e for e in summary if e["device"] == MEAN and e["measurements"] == most]
    won = min(means, key=lambda e: descending(e["spearman"]))["method"]
    of_best = [
        e
        for e in summary
        if e["method"] == won and e["measurements"] == most and e["device"] != MEAN
    ]
    of_best.sort(key=lambda e: descending(e["spearman"]))
    # The best, the middle and the worst.
    places = dict.fromkeys((len(of_best) - 1, len(of_best) // 2, 0))
    sections: list[Section] = []
    for device in (of_best[place]["device"] for place in places):
        if points := read_points(folder, device, about["methods"], most):
            number = len(next(iter(points.values()))[0])
            text = (
                f"Trial 0 with {number_of(most, 'measurement')}; {number} of the architectures "
                "that were not measured, as shares of the ranking."
            )
            drawn = predicted_against_true(
                f"predictions-{len(sections)}",
                points,
                agreement=("Spearman", lambda true, predicted: float(spearman(true, predicted))),
                highest="slowest",
            )
            sections.append(Section(f"Predicted against measured: {device}", text, [drawn]))
    return sections


def _predict(
    method: str,
    model: LatencyTransfer,
    table: Table,
    donors: Values,
    measured: NDArray[np.int64],
    y: Values,
) -> Values:
    """Latencies of all architectures by a method that saw a few measurements, shape (rows,)."""
    if method in ("transfer", "transfer-random"):
        return np.asarray(model.fit(table.codes[measured], y).predict(table.codes))
    if method == "nearest":
        agreement = [np.nan_to_num(spearman(y, column[measured])) for column in donors.T]
        return np.asarray(donors[:, int(np.argmax(agreement))])
    if method == "scratch":
        return _ridge(model.features(table.codes)[:, 1:], measured, y)
    return _ridge(_components(donors), measured, np.log(y))


def _ridge(features: Values, measured: NDArray[np.int64], y: Values) -> Values:
    """Predictions of a ridge regression on the measured rows for all, shape (rows,)."""
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=_RIDGE).fit(features[measured], y)
    return np.asarray(model.predict(features))


def _components(latencies: Values) -> Values:
    """Principal components of the devices' log latencies, shape (rows, at most 3)."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(np.log(latencies))
    kept = min(_COMPONENTS, scaled.shape[1])
    parts = PCA(kept, svd_solver="full").fit_transform(scaled)
    # The strength of the ridge is meant for columns whose size does not grow with the table.
    return np.asarray(parts / np.sqrt(len(parts)))


def _summary(rows: Sequence[Row]) -> list[Row]:
    """One entry per device, method and number of measurements; the means come last."""
    means: list[Row] = [
        {
            "device": MEAN,
            "method": method,
            "measurements": n,
            "spearman": np.mean(numbers(of, "spearman")),
        }
        for (method, n, _), of in grouped(rows, "method", "measurements", "trial").items()
    ]
    case = ("device", "method", "measurements")
    return measured_cases([*rows, *means], case, {"spearman": (-1, 1)})
