"""Which tests run, and in which order: long ones only where they are asked for; files with slow ones first, so that at
the end no worker waits for another's long file.
"""

from __future__ import annotations

import os

import pytest

LONG = "TRUEBOOK_TEST_LONG"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if LONG not in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason=f"long: set {LONG}=1 to run it"))
