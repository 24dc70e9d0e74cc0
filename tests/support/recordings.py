"""Where recorded exchange data lie on this machine, if anywhere. They are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def recording(*parts: str) -> Path:
    """The path of one recording; skips the test, saying why, where there are none."""
    root = os.environ.get("TRUEBOOK_CAPTURES")
    if not root:
        pytest.skip("TRUEBOOK_CAPTURES is not set: no recorded exchange data on this machine")
    path = Path(root, *parts)
    if not path.exists():
        pytest.skip(f"{Path(*parts)} is not among the recordings in TRUEBOOK_CAPTURES")
    return path
