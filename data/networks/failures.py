"""Networks that cannot be computed, for want of memory or otherwise: which module it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ...errors import NasurgeError, OutOfMemoryError, ParameterError

RAISED = (
    *(RuntimeError, ValueError, TypeError, LookupError, AttributeError),
    *(AssertionError, ArithmeticError),
)
"""What the forward of a network that is wrong raises."""

# What PyTorch says on GPUs and on CPUs, where its error has no class of its own.
_SAID = ("out of memory", "can't allocate memory", "not enough memory")


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice.

    Examples
    --------
    >>> try:
    ...     torch.empty(10**13)  # 40 TB
    ... except RuntimeError as error:
    ...     print(lacks_memory(error))
    True
    >>> lacks_memory(RuntimeError("shapes do not fit"))
    False
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError | OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _SAID)


def failing_module(error: BaseException) -> str:
    """Module whose forward raised, by its path and class; "" if none did, as in a backward pass."""
    modules = []
    trace = error.__traceback__
    while trace is not None:
        caller = trace.tb_frame.f_locals.get("self")
        if isinstance(caller, nn.Module):
            modules.append(caller)
        trace = trace.tb_next
    if not modules:
        return ""
    last, paths = modules[-1], [""]
    for outer in modules:  # the first may be one that called another's network
        paths += [path for path, module in outer.named_modules() if module is last]
    path = max(paths, key=len)
    return f"{path} ({type(last).__name__})" if path else type(last).__name__


@contextmanager
def failures_told(what: str) -> Iterator[None]:
    """Let what a network cannot compute inside the block say what it was, and in which module.

    Raises
    ------
    OutOfMemoryError
        Where memory did not suffice.
    ParameterError
        Instead of another error that a module's forward raised.
    """
    try:
        yield
    except (*RAISED, MemoryError) as error:
        if isinstance(error, OutOfMemoryError):
            raise OutOfMemoryError(f"{what}: {error}") from error
        if isinstance(error, NasurgeError):
            raise
        if lacks_memory(error):
            raise OutOfMemoryError(f"{what}: out of memory{said_of(error)}") from error
        if not failing_module(error):
            raise
        raise ParameterError(f"{what} cannot be computed{said_of(error)}") from error


def said_of(error: BaseException) -> str:
    """In which module, and what PyTorch said, for the end of a message."""
    module = failing_module(error)
    first = str(error).partition("\n")[0]
    return f"{f' in {module}' if module else ''} ({first or type(error).__name__})"
