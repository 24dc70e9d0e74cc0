"""Observations of many markets together are the same bytes as those of one after the other."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from support.observation_harness import ASK, BID, ObservationHarness
from truebook.features import layout as layouts
from truebook.features.feature import FeatureError, feature
from truebook.features.inputs import FeatureInputs
from truebook.features.layout import Layout, layout
from truebook.ledger.verbs import RESERVED, Reserve
from truebook.messages.codec import encode
from truebook.messages.market_metadata import FeeType
from truebook.messages.reasons import Reason
from truebook_services.observation.observer import LOT

TICKERS = [f"T-{number}" for number in range(LOT + 30)]


@feature()
def held(inputs: FeatureInputs) -> float:
    """Whether there is an order of ours."""
    return float(bool(inputs.working))


async def observed(of: Layout) -> tuple[list[bytes], list[int]]:
    """Observe books of all kinds, some of which are refused, after each of several changes."""
    draw = random.Random(7)
    harness = await ObservationHarness(of=of).start(*TICKERS)
    now_us = harness.clock.now_us()
    order = Reserve(
        order_id="tb1-1", nonce="n", ticker="T-1", event="T", exclusive=False, book_side=BID, price_cc=4_000,
        size_centi=700, reduce_only=False, fee_rate_ppm=0, deadline_us=now_us + 10**9, now_us=now_us, partition=0,
        epoch=0,
    )  # fmt: skip
    assert await harness.ledger.apply(order) == RESERVED
    await harness.handle(harness.market(TICKERS[4], fee_type=FeeType.FLAT))
    for lot in range(9):
        harness.pass_ms(260)
        changes = [
            harness.delta(draw.choice((0, 100, draw.randrange(5_000))), ticker, side, price_cc)
            for place, ticker in enumerate(TICKERS)
            for side, price_cc in draw.choices(((BID, 4_000), (BID, 3_900), (ASK, 4_400), (ASK, 4_500)), k=place % 3)
            if (place + lot) % 5
        ]
        await harness.handle(*changes)
    refused = [harness.refused(reason) for reason in (Reason.FEE_TYPE, Reason.ONE_SIDED_BOOK)]
    return [encode(each) for each in await harness.seen()], refused


@pytest.mark.parametrize("of", [layout("m1"), layout("c52"), layout("m1").extended("mine", [held])])
async def test_many_markets_are_observed_with_the_same_bytes_as_one_by_one(
    of: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "BATCH_FROM", 2)
    together, refused = await observed(of)
    monkeypatch.setattr(layouts, "BATCH_FROM", 10**9)
    assert (together, refused) == await observed(of)
    assert len(together) > 3 * len(TICKERS)
    assert min(refused) > 0


async def test_vectors_of_own_features_are_computed_singly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one's time is taken: one slow market must not open the breaker of others."""
    lots: list[int] = []
    mine = layout("m1").extended("mine", [held])
    compute_all = mine.compute_all

    def counted(inputs: Sequence[FeatureInputs]) -> list[tuple[float, ...] | FeatureError]:
        lots.append(len(inputs))
        return compute_all(inputs)

    monkeypatch.setattr(mine, "compute_all", counted)
    await ObservationHarness(of=mine).start(*TICKERS)
    assert set(lots) == {1}
