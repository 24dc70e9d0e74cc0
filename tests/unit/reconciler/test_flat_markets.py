"""Markets without a position: no list of settlements contains them."""

from __future__ import annotations

from support.account_harness import AccountHarness
from support.services import until
from truebook.messages.envelope import BookSide


async def test_a_flat_market_is_settled_without_the_socket() -> None:
    async with AccountHarness() as rig:
        rig.exchange.add_market("N")  # without a position, never settled
        await rig.reconcile()
        await until(lambda: not rig.holds(), "the first reconciliation")
        rig.exchange.muted_frames = {"market_lifecycle_v2"}
        rig.listen()
        await rig.pass_s(3)
        for side, price_cc in ((BookSide.BID, 6_000), (BookSide.ASK, 4_000)):
            for ticker in ("M", "N"):
                await rig.place(side, price_cc, 1_000, ticker=ticker)
                rig.exchange.trade(ticker, side.other, price_cc, 1_000)
            await rig.pass_s(5)
        assert (rig.position("M"), rig.position("N")) == (0, 0)
        rig.exchange.determine("M", 10_000)
        await rig.pass_s(60)
        rig.exchange.advance()
        await rig.pass_s(120)
        settled = {market.ticker: market.settlement_cc for market in (await rig.view()).markets}
        assert settled == {"M": 10_000, "N": None}
        assert rig.holds() == set()
