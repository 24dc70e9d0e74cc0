"""Which tests run, and in which order: long ones only on request, and files with slow tests first, so that no worker
is left with a long file at the end.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

LONG = "TRUEBOOK_TEST_LONG"

# How long an example takes depends on the machine, which may be busy.
hypothesis.settings.register_profile("truebook", deadline=None)
if hypothesis.settings.get_current_profile_name() == "default":
    hypothesis.settings.load_profile("truebook")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if LONG not in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason=f"long: set {LONG}=1 to run it"))
