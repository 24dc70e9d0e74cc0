"""Check that data cannot be imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from truebook.capture.importers.importing import import_data
from truebook.capture.importers.source import DataFormat
from truebook.capture.manifest import CaptureError


def refused(path: Path, out: Path, message: str, data_format: DataFormat | None = None) -> None:
    """Check that an import is refused with one line, and leaves nothing behind."""
    with pytest.raises(CaptureError, match=message) as refusal:
        import_data(path, out, data_format)
    assert "\n" not in str(refusal.value)
    assert not out.exists()
    assert not out.with_name(out.name + ".part").exists()
