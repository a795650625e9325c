"""What becomes of output that cannot be written: a full disk, a pipe that nobody reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def written_output() -> Iterator[None]:
    """Write all that was printed before the block ends; if that cannot be, end in one line."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone
        _print_no_more()
        raise SystemExit(0) from None
    except OSError as error:
        if error.filename is not None:  # another file than the output
            raise
        _print_no_more()
        with suppress(OSError):
            sys.stderr.write(
                f"error: cannot write the output: {error.strerror or error}: "
                "free some space, or print elsewhere\n"
            )
        raise SystemExit(2) from None


def _print_no_more() -> None:
    """Let what is left in the buffer go nowhere when Python ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
