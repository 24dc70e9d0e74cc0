"""An exchange for a client of other people: addresses, an RSA key, and the requests that were refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from support.paper_client import paper_settings, running
from support.simulated_exchange import metadata
from truebook.capture.writer import CaptureWriter
from truebook.kalshi.hosts import addresses
from truebook.messages.envelope import Source
from truebook_services.paper_exchange.rest.requests import ServedRequest
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

A = "SIMTEST-1-A"
START_US = 1_764_000_000_000_000
HOUR_US = 3_600_000_000


class ForeignSession:
    """What a client is given, and what the exchange made of its requests."""

    def __init__(self, exchange: PaperExchange, ticker: str) -> None:
        self.exchange = exchange
        self.ticker = ticker
        """A market with quotes on both sides."""
        self.rest_url, self.ws_url = addresses(exchange.url)
        self.served: list[ServedRequest] = []
        exchange.state.observer = self.served.append

    @property
    def key_id(self) -> str:
        return self.exchange.key_id

    @property
    def key_file(self) -> Path:
        file = self.exchange.private_key_file
        assert file is not None
        return file

    @property
    def key_pem(self) -> str:
        return self.key_file.read_text(encoding="ascii")

    def operations(self) -> set[str]:
        """Return the names of the operations that the client called."""
        return {one.operation for one in self.served}

    def refused(self) -> Sequence[tuple[str, int, Any]]:
        """Return each request that did not succeed: operation, status and body."""
        return [(one.operation, one.status, one.result) for one in self.served if not 200 <= one.status < 300]


@asynccontextmanager
async def foreign_session(folder: Path, **changes: Any) -> AsyncIterator[ForeignSession]:
    """Run an exchange with a made RSA key and a two-sided market."""
    selected = {"key_id": None, "public_key_file": None, "first_data_delay_ms": 100} | changes
    async with running(paper_settings(folder, **selected)) as client:
        market = await client.two_sided()
        yield ForeignSession(client.exchange, str(market["ticker"]))


def recorded_settings(folder: Path, **changes: Any) -> PaperExchangeSettings:
    """Return the settings of an exchange on a made recording, with a made key for each account."""
    levels = {"yes_dollars_fp": [["0.4700", "3.00"]], "no_dollars_fp": [["0.4800", "5.00"]]}
    body = {"market_ticker": A, "market_id": "m", "clock": 1, **levels}
    frame = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": body}
    capture = folder / "capture"
    with CaptureWriter(capture, source=Source.DEMO, hosts=["example"]) as writer:
        writer.add_markets([metadata(A, open_us=START_US - HOUR_US, close_us=START_US + HOUR_US)])
        writer.add_frame(START_US, 0, msgspec.json.encode(frame).decode())
    own_keys = {"key_id": None, "public_key_file": None, "order_latency_us": 0, "latency_jitter_us": 0}
    return paper_settings(folder / "state", capture=capture, **own_keys, **changes)
