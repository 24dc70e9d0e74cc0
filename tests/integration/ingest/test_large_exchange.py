"""The choice among as many markets as Kalshi lists stays inside the read budget, and its refreshes are spread."""

from __future__ import annotations

import asyncio

import pytest

from support.fake_rest import BASE_URL
from support.large_exchange import LargeExchange
from support.services import make_context, opened_ledger
from truebook.kalshi.port import ExchangeError
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.runtime.virtual_loop import VirtualClock, run_virtual
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings, UniverseSettings

NOW_US = 1_800_000_000_000_000
BUDGET_PER_S = 10
"""Reads: half of what the lowest tier allows."""
BURST = 30
PROBES = 25
SPREAD_S = 700


class Selection:
    """The catalogue on a large exchange, refreshed as the service does, in virtual time."""

    async def start(self, markets: int, **settings: float) -> Selection:
        self.clock = VirtualClock(NOW_US)
        self.exchange = LargeExchange(markets, self.clock)
        self.failures = self.refreshes = 0
        context = make_context("ingest", clock=self.clock)
        books = FollowedBooks(context)
        rest = HttpRestClient(BASE_URL, StubSigner(), self.clock, transport=self.exchange)
        self.catalogue = Catalogue(
            context, IngestSettings(universe=UniverseSettings(max_markets=20), **settings), rest=rest, books=books,
            ledger=await opened_ledger(), outbox=Outbox(context, max_backlog=10**6, collapse=books.collapse),
        )  # fmt: skip
        return self

    async def run_until(self, seconds: float, *, stop_when_selected: bool = False) -> float:
        """Refresh when it is due, for that long or until markets are selected; return the time that has passed."""
        while (passed_s := (self.clock.now_us() - NOW_US) / 1e6) < seconds:
            if stop_when_selected and self.catalogue.selected:
                break
            if self.catalogue.is_due():
                try:
                    await self.catalogue.refresh()
                    self.refreshes += 1
                except ExchangeError:
                    self.failures += 1
            await asyncio.sleep(0.25)
        return passed_s


@pytest.mark.parametrize("markets", [8_000, pytest.param(80_000, marks=pytest.mark.slow)])
def test_the_first_choice_stays_inside_the_read_budget(markets: int) -> None:
    async def choose() -> None:
        selection = await Selection().start(markets)
        passed_s = await selection.run_until(600, stop_when_selected=True)
        exchange = selection.exchange
        print(f"{markets} markets: {passed_s:.0f} s, {len(exchange.requests)} reads, {exchange.refused} refused")
        assert len(selection.catalogue.selected) == 20
        assert (exchange.refused, selection.failures) == (0, 0)
        assert passed_s < 30
        assert len(exchange.requests) < 250

    run_virtual(choose())


def test_refreshes_come_spread_not_as_one_storm() -> None:
    """For longer than the cache of events and series lasts."""

    async def refresh() -> None:
        selection = await Selection().start(2_000, refresh_s=30.0)
        await selection.run_until(SPREAD_S)
        exchange = selection.exchange
        print(f"{selection.refreshes} refreshes, {len(exchange.requests)} reads")
        assert (exchange.refused, selection.failures) == (0, 0)
        assert selection.refreshes >= SPREAD_S / 30 - 2
        later = [at_us for at_us, _ in exchange.requests if at_us > NOW_US + 60_000_000]
        assert len(later) / (later[-1] - later[0]) * 1e6 < BUDGET_PER_S / 2
        assert exchange.at_most_within(10) <= BURST + 10 * BUDGET_PER_S + PROBES

    run_virtual(refresh())
