"""Where the trials of a command run: processes here, or a Dask or Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ...errors import MissingExtraError, UnknownNameError

BACKENDS = ("loky", "dask", "ray")


@contextmanager
def backend(name: str | None) -> Iterator[None]:
    """Let joblib run what is inside on a backend.

    ``dask`` connects to the scheduler that the environment names
    (``DASK_SCHEDULER_ADDRESS``), ``ray`` to the cluster in ``RAY_ADDRESS``; without, each starts
    one on this machine.

    Parameters
    ----------
    name : str or None
        ``"loky"`` (processes on this machine), ``"dask"`` or ``"ray"``; None leaves the backend in
        force as it is.

    Raises
    ------
    UnknownNameError
        If there is no such backend.
    MissingExtraError
        If its library is not installed.

    Examples
    --------
    >>> from joblib import Parallel, delayed
    >>> with backend("loky"):
    ...     Parallel(n_jobs=1)(delayed(abs)(number) for number in (-1, 2))
    [1, 2]
    """
    if name is None:
        yield
        return
    if name not in BACKENDS:
        raise UnknownNameError("backend", name, BACKENDS)
    from joblib import parallel_config

    try:
        with _CLUSTERS[name](), parallel_config(backend=name):
            yield
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed", "ray"):
            raise
        raise MissingExtraError(
            f"the backend {name!r} needs a library that is not installed: "
            "pip install nasurge[cluster]"
        ) from error


@contextmanager
def _dask() -> Iterator[None]:
    from distributed import Client

    with Client(dashboard_address=None):
        yield


@contextmanager
def _ray() -> Iterator[None]:
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        yield
    finally:
        if started:
            ray.shutdown()


_CLUSTERS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "loky": nullcontext,
    "dask": _dask,
    "ray": _ray,
}
