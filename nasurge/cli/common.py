"""What the commands share: options, errors in one line, progress, JSON."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from ..errors import NasurgeError, StoppedError
from ..progress import progress_bar as progress_bar
from .printing import say

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
IMAGES_HELP = (
    "digits, mnist5k, fashion-mnist, or a path: CIFAR's or Omniglot's own files, or a folder or "
    "archive CLASS/NAME.jpg or {train,test}/CLASS/NAME.jpg."
)
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; -1 is one per core.")]


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn an error made by the user, or by what the machine has, into one line and exit code 2."""
    try:
        yield
    except NasurgeError as error:
        raise _ended(f"error: {error}") from None
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        raise _ended(
            f"error: out of memory{reason}: give it less at once, such as a smaller file, batch or "
            "-j"
        ) from None
    except RecursionError:
        raise _ended("error: an input is nested too deeply to be read") from None
    except KeyboardInterrupt as stop:
        kept = "; ".join(getattr(stop, "__notes__", []))  # said by whoever keeps something
        raise _ended(f"stopped: {kept or 'nothing of it is kept'}", 130) from None
    except BrokenPipeError:  # the reader of our output has gone
        raise typer.Exit(0) from None


def _ended(line: str, code: int = 2) -> typer.Exit:
    """Exit with a code, after one line on stderr."""
    with suppress(OSError):  # the terminal itself may have gone
        say(line, err=True)
    return typer.Exit(code)


@contextmanager
def reported_stop(*, as_json: bool) -> Iterator[None]:
    """Turn a time limit that was reached into one line, or one JSON object, and exit code 0."""
    try:
        yield
    except StoppedError as stopped:
        if as_json:
            emit({"summary": [], "stopped": str(stopped)})
        else:
            say(stopped, err=True)
        raise typer.Exit(0) from None


def typed_command() -> str:
    """Command line that was typed, without the password in a URL."""
    typed = shlex.join(["nasurge", *sys.argv[1:]])
    return re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", typed)


def emit(found: Any) -> None:
    """Print a result as JSON."""
    from ..benchmarks.studies import jsonable

    typer.echo(json.dumps(jsonable(found), indent=1))
