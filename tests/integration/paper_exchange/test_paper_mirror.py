"""An exchange that mirrors the market data of another one, and trades them on paper."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.paper_client import paper_settings, rest_book, running, until
from truebook.runtime.settings import TruebookSettings
from truebook_services.cli.mirror import mirrored
from truebook_services.recorder.recording import Recording


async def test_books_are_mirrored_and_orders_stay_here(tmp_path: Path) -> None:
    own_key = {"key_id": None, "public_key_file": None}
    async with (
        running(paper_settings(tmp_path / "origin", markets=4, **own_key)) as origin,
        running(paper_settings(mirror=origin.exchange.url)) as copy,
    ):
        key = origin.exchange.keys[0]
        settings = TruebookSettings(key_id=key.key_id, key_file=key.private_key_file, exchange_url=origin.exchange.url)
        queries = copy.exchange.state.engine.queries
        async with mirrored(copy.exchange, settings, origin.exchange.url):

            def quoted() -> list[str]:
                books = [(one.ticker, queries.book(one.ticker)) for one in queries.markets()]
                return [ticker for ticker, book in books if book.best("bid") and book.best("ask")]  # type: ignore[arg-type]

            await until(quoted)
            ticker = quoted()[0]
            metadata = origin.exchange.state.engine.queries.market(ticker)
            mirrored_metadata = queries.market(ticker)
            assert metadata is not None and mirrored_metadata is not None
            assert mirrored_metadata.close_us // 1_000_000 == metadata.close_us // 1_000_000

            async def is_equal() -> bool:
                books = [await one.get(f"/markets/{ticker}/orderbook") for one in (origin, copy)]
                return rest_book(books[0]) == rest_book(books[1])

            await until(is_equal)
            bought = await copy.create(ticker, price="0.9900", time_in_force="immediate_or_cancel")
            assert bought["fill_count"] == "2.00"
            assert origin.exchange.state.engine.queries.orders("sim-main") == []


async def test_shards_and_the_trigger_of_groups_hold_for_a_mirror() -> None:
    configured = paper_settings(mirror="http://127.0.0.1:1", shards=("2:SIMCUP",), groups_trigger_above_limit=True)
    async with running(configured) as copy:
        shards = (await copy.get("/exchange/status"))["exchange_index_statuses"]
        assert [one["exchange_index"] for one in shards] == [0, 2]
        assert copy.exchange.state.engine.groups.triggers_above_limit


async def test_a_mirror_that_fails_ends_its_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    own_key = {"key_id": None, "public_key_file": None}
    monkeypatch.setattr(Recording, "session", broken)
    async with (
        running(paper_settings(tmp_path / "origin", markets=1, **own_key)) as origin,
        running(paper_settings(mirror=origin.exchange.url)) as copy,
    ):
        key = origin.exchange.keys[0]
        settings = TruebookSettings(key_id=key.key_id, key_file=key.private_key_file, exchange_url=origin.exchange.url)
        with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a defect"), flatten_subgroups=True):
            async with mirrored(copy.exchange, settings, origin.exchange.url):
                await asyncio.Event().wait()
