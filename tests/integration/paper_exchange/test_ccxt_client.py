"""A session of ``ccxt.prediction``, which has REST only, and neither batches nor order groups; see `make clients`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.foreign_clients import ForeignSession, foreign_session

module = pytest.importorskip("ccxt.prediction.kalshi", reason="ccxt is not installed: make clients")


@asynccontextmanager
async def opened(session: ForeignSession) -> AsyncIterator[Any]:
    exchange = module.kalshi({"apiKey": session.key_id, "privateKey": session.key_pem, "enableRateLimit": False})
    exchange.urls["api"] = {"kalshi": session.rest_url, "elections": session.rest_url}
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_a_session_of_ccxt_has_no_error(tmp_path: Path) -> None:
    async with foreign_session(tmp_path) as session, opened(session) as exchange:
        ticker = session.ticker
        assert ticker in {one["info"]["ticker"] for one in await exchange.fetch_markets()}
        assert (await exchange.fetch_order_book(ticker))["bids"]
        assert (await exchange.fetch_ticker(ticker))["bid"] > 0
        assert (await exchange.fetch_status())["status"] == "ok"
        assert await exchange.fetch_events({"series_ticker": ticker.split("-")[0]})
        await exchange.fetch_trades(ticker)
        await exchange.fetch_ohlcv(ticker, "1m")
        taken = await create(exchange, ticker, 1, 0.99, time_in_force="immediate_or_cancel")
        assert taken["filled"] == 1
        order = await create(exchange, ticker, 3, 0.01, client_order_id="ccxt-1")
        edited = await exchange.edit_order(order["id"], ticker, "limit", "buy", 4, 0.02)
        assert (await exchange.fetch_order(edited["id"]))["amount"] == 4
        assert [one["id"] for one in await exchange.fetch_open_orders()] == [edited["id"]]
        assert (await exchange.cancel_order(edited["id"], ticker))["status"] == "canceled"
        await create(exchange, ticker, 1, 0.01)
        assert len(await exchange.cancel_all_orders()) == 1
        assert [one["order"] for one in await exchange.fetch_my_trades()] == [taken["id"]]
        assert [one["info"]["position_fp"] for one in await exchange.fetch_positions()] == ["1.00"]
        assert (await exchange.fetch_balance())["total"]["USD"] > 0
        assert len(await exchange.fetch_orders()) == 4
        assert await exchange.fetch_settlements() == []
        assert session.refused() == []
        assert len(session.operations()) >= 15


async def test_what_surprises_users_of_ccxt(tmp_path: Path) -> None:
    """Each line of docs/clients.md about ccxt that needs no counterparty's trade."""
    from ccxt import BadSymbol, ExchangeError, ExchangeNotAvailable  # type: ignore[import-not-found]

    async with foreign_session(tmp_path) as session, opened(session) as exchange:
        ticker = session.ticker
        crossing = await create(exchange, ticker, 1, 0.99, postOnly=True)
        assert crossing["filled"] == 1
        headers = {name.lower(): value for name, value in exchange.last_response_headers.items()}
        assert headers["truebook-ignored"] == "postOnly"
        with pytest.raises(ExchangeError):
            await create(exchange, ticker, 1, 0.99, post_only=True)
        for _ in range(105):
            await create(exchange, ticker, 1, 0.01)
        assert len(await exchange.cancel_all_orders()) == 100
        left = await exchange.fetch_open_orders()
        assert len(left) == 5
        await exchange.cancel_order(left[0]["id"])
        with pytest.raises(BadSymbol):
            await exchange.cancel_order(left[0]["id"])
        await create(exchange, ticker, 1, 0.01, client_order_id="twice")
        with pytest.raises(ExchangeNotAvailable):
            await create(exchange, ticker, 1, 0.01, client_order_id="twice")
        unfilled = await create(exchange, ticker, 1, 0.01, time_in_force="immediate_or_cancel")
        assert (unfilled["status"], unfilled["filled"]) == ("closed", 0)


async def test_trades_of_no_have_yes_prices_in_ccxt(tmp_path: Path) -> None:
    async with foreign_session(tmp_path) as session, opened(session) as exchange:
        no = f"{session.ticker}-NO"
        await exchange.create_order(no, "limit", "buy", 1, 0.99, {"time_in_force": "immediate_or_cancel"})
        (own,) = await exchange.fetch_my_trades()
        public = (await exchange.fetch_trades(no))[-1]
        assert round(own["price"] + public["price"], 4) == 1


async def create(exchange: Any, ticker: str, count: float, price: float, **params: Any) -> Any:
    return await exchange.create_order(ticker, "limit", "buy", count, price, params)
