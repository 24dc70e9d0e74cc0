"""A fill that can't be read for longer than the sweeps overlap: it is read, recorded and published afterwards."""

from __future__ import annotations

from support.account_harness import AccountHarness, listening
from support.in_memory_exchange import odd
from support.in_memory_rest import Shown
from truebook.ledger.exchange_reports import READABLE, SWEPT, read_up_to_us
from truebook.messages.envelope import BookSide


async def test_a_fill_that_is_readable_later_is_published() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await listening(rig, overlap_s=60)
        rig.exchange.odd_items[Shown.FILLS] = odd
        rig.exchange.muted_frames = {"fill"}
        await rig.place()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        await rig.pass_s(300)
        assert (rig.position(), rig.fills()) == (0, [])
        swept_us, readable_us = [await rig.ledger.watermark(name) for name in (SWEPT, READABLE)]
        assert readable_us == await read_up_to_us(rig.ledger) < swept_us - 200_000_000
        rig.exchange.end_faults()
        await rig.pass_s(40)
        assert rig.position() == 1000
        assert [fill.size_centi for fill in rig.fills()] == [1000]
        assert await read_up_to_us(rig.ledger) == await rig.ledger.watermark(SWEPT)
