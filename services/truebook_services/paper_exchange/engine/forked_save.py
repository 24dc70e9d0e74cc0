"""Saves a checkpoint in a forked process: it has the state of this moment, while the exchange goes on.

Writing a checkpoint of fifty thousand orders takes 0.7 s of CPU time; the fork takes some milliseconds. The child holds
none of the exchange's locks and sockets, so that a killed exchange can be started again while it still writes.
"""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable
from typing import Final

_FIRST_DESCRIPTOR: Final = 3
_MAX_DESCRIPTOR: Final = 65_536


class ForkedSave:
    """One save at a time, in a child process."""

    def __init__(self) -> None:
        self._child: int | None = None
        self._began_s = 0.0
        self.took_s = 0.0
        """The time that the last save took."""

    @property
    def is_running(self) -> bool:
        return self._child is not None

    def begin(self, save: Callable[[], object], kept_descriptor: int) -> None:
        """Fork, and run ``save`` in the child, which keeps one descriptor of the parent's; raises OSError."""
        assert self._child is None, "a save is running"
        with warnings.catch_warnings():
            # The child only reads memory and writes files: it needs no lock that another thread may have held.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _save_and_exit(save, kept_descriptor)
        self._child, self._began_s = child, time.monotonic()

    def ended(self, *, wait: bool = False) -> bool | None:
        """Return whether the running save succeeded, once it has ended; None while it runs, or without one."""
        if self._child is None:
            return None
        try:
            child, status = os.waitpid(self._child, 0 if wait else os.WNOHANG)
        except ChildProcessError:  # its exit was taken by another part of the process
            child, status = self._child, 1  # not known to have succeeded: saved again
        if child == 0:
            return None
        self._child, self.took_s = None, time.monotonic() - self._began_s
        return status == 0


def _save_and_exit(save: Callable[[], object], kept_descriptor: int) -> None:
    """Save, and end without any of the parent's handlers."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in range(_FIRST_DESCRIPTOR):
            os.dup2(nothing, standard)
        os.closerange(_FIRST_DESCRIPTOR, kept_descriptor)
        os.closerange(kept_descriptor + 1, _MAX_DESCRIPTOR)
        save()
        code = 0
    finally:
        os._exit(code)
