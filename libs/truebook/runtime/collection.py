"""The garbage collector, kept from going through what stays for a process's whole life.

A full collection looks at every object that there is: the libraries, models and books of a running system make that a
pause of some 80 ms, in which no order leaves. Nearly all of what is there once a process has started stays until it
ends, so it is put out of the collector's sight. What is made afterwards is collected as ever.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def startup_kept() -> Iterator[None]:
    """Keep what there is now out of collections while entered."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
