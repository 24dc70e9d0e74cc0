"""Paths of recorded exchange data, which are not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def recording(*parts: str) -> Path:
    """Return the path of one recording; skips the test where it is missing."""
    root = os.environ.get("TRUEBOOK_CAPTURES")
    if not root:
        pytest.skip("TRUEBOOK_CAPTURES is not set: no recorded exchange data on this machine")
    path = Path(root, *parts)
    if not path.exists():
        pytest.skip(f"{Path(*parts)} is missing in TRUEBOOK_CAPTURES")
    return path
