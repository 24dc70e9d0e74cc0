"""Crash points for tests: ``TRUEBOOK_CRASH_AT=sent:3`` kills this process, as kill −9 does, at the third ``sent``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from truebook.runtime.context import no_crash

LABELS = ("reserved", "sent", "settled")


def crash_point(wanted: str | None) -> Callable[[str], None]:
    """Make the ``crash`` of a ``Context`` from the variable's text; without one it does nothing."""
    if not wanted:
        return no_crash
    label, _, count = wanted.partition(":")
    if label not in LABELS or not (count or "1").isdigit():
        raise ValueError(f"TRUEBOOK_CRASH_AT={wanted!r}: expected LABEL[:COUNT] with LABEL one of {', '.join(LABELS)}")
    left = int(count or "1")

    def crash(passed: str) -> None:
        nonlocal left
        if passed == label:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash
