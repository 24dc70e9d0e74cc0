"""Crash points for tests: ``TRUEBOOK_CRASH_AT=sent:3`` kills this process by SIGKILL at the third ``sent``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from truebook.runtime.context import no_crash

LABELS = ("reserved", "sent", "settled")


def crash_point(requested: str | None) -> Callable[[str], None]:
    """Build the ``crash`` of a ``Context`` from the variable's value; without one it does nothing."""
    if not requested:
        return no_crash
    label, _, count = requested.partition(":")
    if label not in LABELS or not (count or "1").isdigit():
        raise ValueError(f"TRUEBOOK_CRASH_AT={requested!r}: expected LABEL[:COUNT], LABEL of {', '.join(LABELS)}")
    left = int(count or "1")

    def crash(passed: str) -> None:
        nonlocal left
        if passed == label:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash
