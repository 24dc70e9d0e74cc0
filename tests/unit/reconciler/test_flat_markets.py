"""Markets in which nothing is held any more: no list of settlements names them."""

from __future__ import annotations

import asyncio

from support.account_rig import AccountRig
from support.execution_rig import until
from truebook.messages.envelope import BookSide


async def pass_s(rig: AccountRig, seconds: int) -> None:
    for _ in range(seconds):
        await rig.manual.advance(1.0)
        for _ in range(50):
            await asyncio.sleep(0)


async def test_a_market_that_settles_while_nothing_is_held_and_the_socket_is_away_is_settled() -> None:
    async with AccountRig() as rig:
        rig.exchange.add_market("N")  # held in neither, ends in none
        await rig.reconcile()
        await until(lambda: not rig.holds(), "ledger and exchange are compared")
        rig.exchange.untold = {"market_lifecycle_v2"}
        rig.listen()
        await pass_s(rig, 3)
        for side, price_cc in ((BookSide.BID, 6_000), (BookSide.ASK, 4_000)):
            for ticker in ("M", "N"):
                await rig.place(side, price_cc, 1_000, ticker=ticker)
                rig.exchange.trade(ticker, side.other, price_cc, 1_000)
            await pass_s(rig, 5)
        assert (rig.position("M"), rig.position("N")) == (0, 0)
        rig.exchange.determine("M", 10_000)
        await pass_s(rig, 60)
        rig.exchange.advance()
        await pass_s(rig, 120)
        settled = {market.ticker: market.settlement_cc for market in (await rig.view()).markets}
        assert settled == {"M": 10_000, "N": None}
        assert rig.holds() == set()
