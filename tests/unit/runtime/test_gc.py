"""Objects of the start are excluded from garbage collection while a process runs, and only then."""

from __future__ import annotations

import gc

from truebook.runtime.gc import frozen_modules, frozen_startup_objects


def test_startup_objects_are_not_collected() -> None:
    before = gc.get_freeze_count()
    with frozen_startup_objects():
        frozen = gc.get_freeze_count()
        seen = len(gc.get_objects())
    assert frozen > before + 10_000
    assert seen < frozen
    assert gc.get_freeze_count() == 0


def test_later_objects_are_collected() -> None:
    with frozen_startup_objects():
        knot: list[object] = []
        knot.append(knot)
        del knot
        assert gc.collect() > 0


def test_imported_modules_are_frozen_before_the_start() -> None:
    with frozen_modules():
        frozen = gc.get_freeze_count()
        with frozen_startup_objects():
            assert gc.get_freeze_count() >= frozen > 10_000
    assert gc.get_freeze_count() == 0


def test_freezing_modules_collects_nothing() -> None:
    runs = [generation["collections"] for generation in gc.get_stats()]
    with frozen_modules():
        assert [generation["collections"] for generation in gc.get_stats()][-1] == runs[-1]
