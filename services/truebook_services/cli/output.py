"""Output of commands that run for long, whose reader may end before them (``truebook run | head -1``)."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def show_progress(text: str, *, end: str = "\n") -> None:
    """Write a line of progress to standard error; if nothing reads it any more, end the command as by SIGTERM."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard(sys.stderr)
        signal.raise_signal(signal.SIGTERM)  # SIGHUP may be ignored: nohup


@contextmanager
def last_output() -> Iterator[None]:
    """Write a command's result to standard output while entered; nothing happens if it is not read any more."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except SystemExit:  # rich exits where a pipe is broken
        _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Let all further output go nowhere, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
