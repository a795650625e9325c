"""Experiment trackers that follow a search: MLflow, TensorBoard, Weights & Biases."""

from __future__ import annotations

import hashlib
import importlib
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .benchmarks.studies.flags import chosen
from .data.arguments import checked
from .data.files import make_folder
from .errors import MissingExtraError, ParameterError
from .search.loop import TrackedRun, Tracker

__all__ = ["MLflow", "TensorBoard", "Tracker", "WandB", "trackers_of"]

_SQLITE = re.compile(r"sqlite:///([^?]+)")
_ODD = re.compile(r"[^\w\-./ ]")  # in names of metrics and parameters of MLflow


def _needs(module: str, extra: str) -> None:
    """Refuse a tracker whose package is not installed.

    Raises
    ------
    MissingExtraError
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} cannot be imported ({error}): pip install 'nasurge[{extra}]'"
        ) from error


class MLflow(Tracker):
    """MLflow: a run for each search, with its files as artifacts.

    Parameters
    ----------
    uri : str, optional
        Of the tracking server or database, such as ``sqlite:///mlflow.db``; by default what MLflow
        takes, which ``MLFLOW_TRACKING_URI`` says.
    experiment : str
        Name of the experiment, which is made if it is missing.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """

    @checked
    def __init__(self, uri: str | None = None, experiment: str = "nasurge") -> None:
        _needs("mlflow", "mlflow")
        # MLflow keeps one store for each address: a relative one would stay where it was first.
        if uri and (file := _SQLITE.fullmatch(uri)):
            uri = f"sqlite:///{Path(file[1]).absolute()}"
        self.uri, self.experiment = uri, experiment

    def __repr__(self) -> str:
        return f"MLflow(uri={self.uri!r}, experiment={self.experiment!r})"

    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        """Run of a search, found again by a tag."""
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.uri)
        known = client.get_experiment_by_name(self.experiment)
        experiment = known.experiment_id if known else client.create_experiment(self.experiment)
        tag = {} if key is None else {"nasurge.search": _short(key)}
        for tagged in tag.values():
            query = f"tags.`nasurge.search` = '{tagged}'"
            for run in client.search_runs([experiment], filter_string=query, max_results=1):
                client.update_run(run.info.run_id, status="RUNNING")
                return _MLflowRun(client, run.info.run_id)
        tags = {"nasurge.study": group, **tag}
        run = client.create_run(experiment, run_name=name, tags=tags)
        for parameter, value in about.items():
            client.log_param(run.info.run_id, _ODD.sub("_", parameter), str(value)[:500])
        return _MLflowRun(client, run.info.run_id)


class _MLflowRun(TrackedRun):
    """Run of MLflow."""

    def __init__(self, client: Any, identifier: str) -> None:
        self._client, self._id = client, identifier
        self._logged = len(client.get_metric_history(identifier, "failed"))

    @property
    def logged(self) -> int:
        return self._logged

    def log(self, step: int, architecture: str, numbers: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_ODD.sub("_", k), v, now, step) for k, v in numbers.items()]
        self._client.log_batch(self._id, metrics=metrics)
        if numbers.get("best") is not None and numbers["best"] == _value(numbers):
            self._client.set_tag(self._id, "best architecture", architecture[:5000])
        self._logged += 1

    def close(self, files: Sequence[Path]) -> None:
        for path in files:
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id)


class TensorBoard(Tracker):
    """TensorBoard: a folder of event files for each search, architectures as text.

    Parameters
    ----------
    folder : str or Path
        ``tensorboard --logdir`` of it shows all of them.

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.
    """

    @checked
    def __init__(self, folder: str | Path = "runs/tensorboard") -> None:
        _needs("tensorboard", "tensorboard")
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"TensorBoard({str(self.folder)!r})"

    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        """Folder of a search, found again by its name."""
        end = _short(key) if key is not None else f"{time.time_ns():x}"
        place = self.folder / _file_name(group) / f"{_file_name(name)}-{end}"
        new = not place.exists()
        run = _Events(make_folder(place))
        if new:
            run.writer.add_text("about", _lines(about))
        return run


class _Events(TrackedRun):
    """Event files of TensorBoard."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from torch.utils.tensorboard import SummaryWriter

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        known = "failed" in events.Tags()["scalars"]
        self._logged = len(events.Scalars("failed")) if known else 0
        self.writer = SummaryWriter(str(folder))

    @property
    def logged(self) -> int:
        return self._logged

    def log(self, step: int, architecture: str, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)
        if architecture:
            self.writer.add_text("architecture", f"`{architecture}`", step)
        self.writer.flush()
        self._logged += 1

    def close(self, files: Sequence[Path]) -> None:
        for path in files:
            if path.name != "evaluations.csv":  # whose rows are logged one by one
                self.writer.add_text(path.stem, str(path.resolve()))
        self.writer.close()


class WandB(Tracker):
    """Weights & Biases: a run for each search, its files as an artifact; also offline.

    Parameters
    ----------
    project : str
    entity : str, optional
        User or team; by default yours.
    mode : {"online", "offline", "disabled"}, optional
        By default what ``WANDB_MODE`` says. What was written offline is sent by ``wandb sync``.
    folder : str or Path
        Where ``wandb`` keeps what it writes.

    Raises
    ------
    MissingExtraError
        If wandb is not installed.
    ParameterError
        If there is no such mode.
    """

    @checked
    def __init__(
        self,
        project: str = "nasurge",
        *,
        entity: str | None = None,
        mode: str | None = None,
        folder: str | Path = ".",
    ) -> None:
        modes = ("online", "offline", "disabled")
        if mode is not None and mode not in modes:
            raise ParameterError(f"mode is one of {', '.join(modes)}, not {mode!r}")
        _needs("wandb", "wandb")
        self.project, self.entity, self.mode, self.folder = project, entity, mode, Path(folder)

    def __repr__(self) -> str:
        return f"WandB({self.project!r}, mode={self.mode!r})"

    def open(
        self, name: str, *, key: str | None, group: str, about: Mapping[str, Any]
    ) -> TrackedRun:
        """Run of a search, found again by its identifier."""
        identifier = _short(key if key is not None else f"{name} {time.time_ns()}")
        settings: dict[str, Any] = {
            "project": self.project,
            "entity": self.entity,
            "id": identifier,
            "name": name,
            "group": group,
            "config": dict(about),
            "dir": str(make_folder(self.folder)),
            "mode": self.mode,
        }
        return _WandBRun(settings, self.folder.resolve() / "wandb" / f"nasurge-{identifier}.json")


class _WandBRun(TrackedRun):
    """Run of Weights & Biases, begun when there is something to log.

    How far it has come is kept beside it: an offline run that goes on knows nothing of before.
    """

    def __init__(self, settings: dict[str, Any], state: Path) -> None:
        self._settings, self._state = settings, state
        self._logged = int(state.read_text(encoding="utf-8")) if state.exists() else 0
        self._run: Any = None

    @property
    def logged(self) -> int:
        return self._logged

    def log(self, step: int, architecture: str, numbers: Mapping[str, float]) -> None:
        if self._run is None:
            self._run = self._begun()
        self._run.log({**numbers, "architecture": architecture}, step=step)
        self._logged += 1
        make_folder(self._state.parent)
        self._state.write_text(str(self._logged), encoding="utf-8")

    def _begun(self) -> Any:
        import wandb

        quiet = wandb.Settings(silent=True, console="off", disable_code=True, disable_git=True)
        offline = wandb.setup().settings.mode == "offline"
        offline = self._settings["mode"] == "offline" or (not self._settings["mode"] and offline)
        # An offline run cannot be told to go on, which "wandb sync --append" does later.
        go_on: Any = "allow" if self._logged and not offline else None
        return wandb.init(**self._settings, resume=go_on, reinit="create_new", settings=quiet)

    def close(self, files: Sequence[Path]) -> None:
        import wandb

        if self._run is None:
            return
        if files:
            artifact = wandb.Artifact(f"search-{self._run.id}", "search")
            for path in files:
                artifact.add_file(str(path))
            self._run.log_artifact(artifact)
        self._run.finish()


_NAMES: dict[str, type[Tracker]] = {
    "mlflow": MLflow,
    "tensorboard": TensorBoard,
    "wandb": WandB,
}


def trackers_of(asked: str | Tracker | Sequence[str | Tracker] | None) -> tuple[Tracker, ...]:
    """Trackers by name, separated by commas, or as they are.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    MissingExtraError
        If its package is not installed.
    ParameterError
        If something is no tracker.

    Examples
    --------
    >>> trackers_of(None)
    ()
    """
    if asked is None:
        return ()
    if isinstance(asked, str):
        return tuple(_NAMES[name]() for name in chosen(asked, list(_NAMES), kind="tracker"))
    if isinstance(asked, Tracker):
        return (asked,)
    if not isinstance(asked, Sequence):
        raise ParameterError(
            f"track is {', '.join(_NAMES)}, or objects of nasurge.trackers, not {asked!r:.60}"
        )
    found: list[Tracker] = []
    for one in asked:
        if not isinstance(one, str | Tracker):
            raise ParameterError(
                f"track is {', '.join(_NAMES)}, or objects of nasurge.trackers, not {one!r:.60}"
            )
        found += trackers_of(one)
    return tuple(found)


def _value(numbers: Mapping[str, float]) -> float | None:
    """First number of an evaluation: what is searched."""
    return next(iter(numbers.values()), None)


def _short(key: str) -> str:
    """Sixteen characters that stand for a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _file_name(text: str) -> str:
    """Name of a folder for a text."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:80] or "search"


def _lines(about: Mapping[str, Any]) -> str:
    """Mapping as a list of Markdown."""
    return "\n".join(f"- {key}: `{value}`" for key, value in about.items())
