"""Where a computation runs: its torch device, its threads, its processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import DeviceError, ParameterError


def resolve_device(device: str = "auto") -> str:
    """Torch device of a name, as ``torch.device`` takes it.

    Parameters
    ----------
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"`` (one of several), ``"mps"``, or ``"auto"``: CUDA where
        there is one, else MPS, else the CPU. Looked up at every call; nothing is remembered.

    Raises
    ------
    DeviceError
        If a device was asked for by name and this machine does not have it.
    ParameterError
        If ``device`` is none of these names.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    import torch

    there = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if there:
        there.insert(0, "cuda")
    if torch.backends.mps.is_available():
        there.append("mps")
    there.append("cpu")
    if device == "auto":
        return there[0]
    if device in there:
        return device
    kind, _, index = str(device).partition(":")
    if kind in ("cuda", "mps", "cpu") and (kind == device or index.isdecimal()):
        raise DeviceError(
            f"this machine has no device {device!r}; there are: {', '.join(there)}; "
            'device="auto" takes the first of them'
        )
    raise ParameterError(
        f"device must be 'auto', 'cpu', 'cuda', 'cuda:INDEX' or 'mps', not {device!r}"
    )


def device_kind(device: str) -> str:
    """Device without its number: what tells results from others, and two GPUs do not.

    Examples
    --------
    >>> device_kind("cuda:1"), device_kind("cpu")
    ('cuda', 'cpu')
    """
    return device.partition(":")[0]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside the block.

    For work on a few hundred small rows: more threads mostly wait for each other, far longer when
    the cores are busy, and sums of floats split among threads differ in their last bits, so that
    results would depend on how many there are.
    """
    import threadpoolctl

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    with threadpoolctl.threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(threads)


def parallel(jobs: int, **options: Any) -> Any:
    """``Parallel`` of joblib whose worker processes end when this process does, however it ends.

    Parameters
    ----------
    jobs : int
        As in joblib; -1 is one per core.
    **options
        As ``joblib.Parallel`` takes them. A backend in force other than joblib's own, such as that
        of a cluster, sees to its workers itself.

    Examples
    --------
    >>> from joblib import delayed
    >>> parallel(1)(delayed(abs)(number) for number in (-1, 2))
    [1, 2]
    """
    from joblib import Parallel
    from joblib.parallel import get_active_backend

    if type(get_active_backend()[0]).__name__ == "LokyBackend":
        # Workers of another import path are not used again: they would not find a user's module.
        options |= {"initializer": end_with_parent, "initargs": (os.getpid(), *sys.path)}
    return Parallel(n_jobs=jobs, **options)


def end_with_parent(parent: int, *path: str) -> None:
    """End this process as soon as it is nobody's child: its parent was killed and cannot say so.

    Workers wait for work at a lock that a killed sibling may hold, so their own time limit does
    not end them. Does nothing on Windows, where a parent's end is not seen in this way.

    Parameters
    ----------
    parent : int
    *path : str
        Where the parent looks for modules; so does this process, from its start.
    """
    del path  # what joblib tells workers apart by

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    if sys.platform != "win32":
        threading.Thread(target=watch, name="nasurge-parent", daemon=True).start()


_LOOK_SECONDS = 1.0
