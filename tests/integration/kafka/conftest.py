"""One broker for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.kafka_broker import broker


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    """The address of a running broker, shared: tests name their topics and groups apart."""
    with broker() as address:
        yield address
