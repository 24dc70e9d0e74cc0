"""Files that one process writes and others read: damaged ones count as missing, also where a string is not UTF-8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from truebook_services.alerts import store
from truebook_services.dashboard import access as page_access
from truebook_services.operator import access

READERS: tuple[tuple[str, Callable[[Path], object]], ...] = (
    (access.FILE, access.read_access),
    (page_access.ADDRESS, page_access.read_address),
    (store.FILE, store.read_saved),
)


@pytest.mark.parametrize(("name", "read"), READERS)
@pytest.mark.parametrize("content", [b"", b'{"url": 1', b'{"url": "\xff", "queues": {"\xff": {}}}', b"[" * 100_000])
def test_a_damaged_file_counts_as_missing(
    name: str, read: Callable[[Path], object], content: bytes, tmp_path: Path
) -> None:
    missing = read(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path) == missing
