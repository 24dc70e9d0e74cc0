"""Money that is moved at the exchange while a system trades: recognized by the exchange's lists; trading continues."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from support.processes import Background, last_json, start_exchange, truebook
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer

DOLLAR = 1_000_000
WITHIN_S = 90.0


async def move(url: str, key_id: str, key_file: Path, amount_micros: int) -> None:
    """Move money by a request of its own, as on the exchange's pages: no ledger is involved."""
    rest = HttpRestClient(f"{url}/trade-api/v2", load_signer(key_id, key_file), SystemClock())
    try:
        await rest.transfer(f"elsewhere {amount_micros}", amount_micros)
    finally:
        await rest.aclose()


@pytest.mark.slow
@pytest.mark.long
def test_a_deposit_elsewhere_is_recorded_and_trading_continues(tmp_path: Path) -> None:
    exchange, url, key_id, key_file = start_exchange(tmp_path, "--port", "0", "--markets", "5", "--seed", "3")
    key = {"TRUEBOOK_KEY_ID": key_id, "TRUEBOOK_KEY_FILE": str(key_file)}
    trader = Background(tmp_path, "run", "--exchange", url, "--plain", **key)

    def status() -> dict[str, Any]:
        assert trader.process.poll() is None, trader.err[-20:]
        return last_json(truebook(tmp_path, "status", "--json").stdout)

    def wait_for_deposits(micros: int) -> None:
        deadline = time.monotonic() + WITHIN_S
        while (seen := status())["deposits_micros"] != micros or seen["mode"] != "running":
            assert time.monotonic() < deadline, seen

    try:
        trader.wait_for(re.compile(r"fills [1-9]\d*"), within_s=60)
        before = status()["deposits_micros"]
        for total, amount in ((25 * DOLLAR, 25 * DOLLAR), (15 * DOLLAR, -10 * DOLLAR)):
            asyncio.run(move(url, key_id, key_file, amount))
            wait_for_deposits(before + total)
        assert status()["adjustments_micros"] == 0
    finally:
        code = trader.interrupt()
        exchange.interrupt()
    assert code == 0, trader.err[-20:]
