"""Debian's Chromium for tests of pages; none is downloaded. Tests are skipped where it is not installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = (
    "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-dev-shm-usage", "--js-flags=--expose-gc",
)  # fmt: skip


def chromium() -> str | None:
    """Return the path of the browser; None where none is installed."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


needs_chromium = pytest.mark.skipif(chromium() is None, reason="needs Chromium: apt-get install chromium")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser with a new profile; as root without its sandbox, which root can't have."""
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with sync_playwright() as playwright:
        options: dict[str, Any] = {"executable_path": chromium(), "args": [*ARGUMENTS, *as_root]}
        browser = playwright.chromium.launch(**options)
        try:
            yield browser
        finally:
            browser.close()
