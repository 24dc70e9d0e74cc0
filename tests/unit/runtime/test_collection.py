"""What is there at the start is out of the collector's sight while a process runs, and only then."""

from __future__ import annotations

import gc

from truebook.runtime.collection import startup_kept


def test_what_is_there_at_the_start_is_not_collected_again_and_again() -> None:
    before = gc.get_freeze_count()
    with startup_kept():
        frozen = gc.get_freeze_count()
        seen = len(gc.get_objects())
    assert frozen > before + 10_000
    assert seen < frozen
    assert gc.get_freeze_count() == 0


def test_what_is_made_afterwards_is_collected_as_ever() -> None:
    with startup_kept():
        knot: list[object] = []
        knot.append(knot)
        del knot
        assert gc.collect() > 0
