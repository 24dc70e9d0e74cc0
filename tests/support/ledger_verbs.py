"""Short ways to write ledger verbs in tests, and hypothesis strategies that mix them in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import (
    Acknowledge,
    Adjust,
    AdoptedPosition,
    AdvanceWatermark,
    BindExchange,
    Close,
    Hold,
    Limits,
    MarkEquity,
    MarkUnknown,
    Mode,
    NextNumber,
    OpenAccount,
    Prune,
    RaiseEpoch,
    Release,
    ReportTransfer,
    RequestTransfer,
    Reserve,
    SettleFill,
    SettleMarket,
    Verb,
)
from truebook.messages.envelope import BookSide
from truebook.venue.shards import ShardCash

AnyVerb = Verb[Any]
BID, ASK = BookSide.BID, BookSide.ASK
RICH = 1_000_000_000


async def opened(store: LedgerStore, *positions: AdoptedPosition, balance_micros: int = RICH) -> None:
    """Open the store's account, by default with a thousand dollars."""
    assert await store.apply(OpenAccount(balance_micros=balance_micros, positions=positions)) == "opened"


def a_reserve(order_id: str = "a", **changes: Any) -> Reserve:
    """Return a bid for 10 contracts of M at .40 in event E, with an hour until its deadline."""
    plain: dict[str, Any] = {
        "order_id": order_id, "nonce": "n1", "ticker": "M", "event": "E", "exclusive": False, "book_side": BID,
        "price_cc": 4000, "size_centi": 1000, "reduce_only": False, "fee_rate_ppm": 0, "deadline_us": 3_600_000_000,
        "now_us": 1000, "partition": 0, "epoch": 1,
    }  # fmt: skip
    return Reserve(**{**plain, **changes})


def an_acknowledge(order_id: str = "a", **changes: Any) -> Acknowledge:
    """Return an acknowledgement with the exchange order id ``x`` + id, resting."""
    plain: dict[str, Any] = {
        "order_id": order_id, "exchange_order_id": f"x{order_id}", "ticker": "M", "filled_centi": 0,
        "remaining_centi": 1,
    }  # fmt: skip
    return Acknowledge(**{**plain, **changes})


def a_fill(trade_id: str = "t1", order_id: str = "xa", **changes: Any) -> SettleFill:
    """Return a fill of 4 contracts of M at .40."""
    plain: dict[str, Any] = {
        "trade_id": trade_id, "order_id": order_id, "ticker": "M", "book_side": BID, "price_cc": 4000,
        "size_centi": 400, "fee_micros": 0,
    }  # fmt: skip
    return SettleFill(**{**plain, **changes})


# Few names and values, so that verbs interact: ids repeat, orders share a market, limits apply.

ORDER_IDS = ("a", "b", "c", "d", "tb1-e", "tb1-f")
EXCHANGE_IDS = ("xa", "xb", "xc", "xd", "xe")
TICKERS = ("M", "N", "P")
EVENTS = ("E", "F", "M")
_order_ids = st.sampled_from(ORDER_IDS)
_exchange_ids = st.sampled_from(EXCHANGE_IDS)
_tickers = st.sampled_from(TICKERS)
_sides = st.sampled_from((BID, ASK))
_prices = st.sampled_from((0, 1, 50, 3333, 4000, 5000, 6000, 9999))
_sizes = st.sampled_from((0, 1, 13, 100, 400, 1000))
_fees = st.sampled_from((0, 7, 1700, 175_000))
_shards = st.sampled_from((0, 0, 2, 3))
_times = st.sampled_from((1_000, 2_000, 70_000_000, 140_000_000))

positions = st.builds(
    AdoptedPosition,
    ticker=_tickers,
    event=st.sampled_from(EVENTS),
    position_centi=st.sampled_from((-1000, -1, 0, 500, 1000)),
    cost_micros=st.sampled_from((0, 1, 2_000_000)),
    exchange_index=st.sampled_from((0, 0, 0, 2)),
)
opens = st.builds(
    OpenAccount,
    shards=st.sampled_from(
        (
            (),
            (),
            (ShardCash(exchange_index=2, balance_micros=4_100_000),),
            (ShardCash(exchange_index=2, balance_micros=0), ShardCash(exchange_index=3, balance_micros=9_000_000)),
            (ShardCash(exchange_index=2, balance_micros=1), ShardCash(exchange_index=2, balance_micros=1)),
            (ShardCash(exchange_index=0, balance_micros=1),),
            (ShardCash(exchange_index=3, balance_micros=-1),),
        )
    ),
    balance_micros=st.sampled_from((-1, 0, 303, 4_100_000, 10_000_000, 20_000_000)),
    positions=st.lists(positions, max_size=3).map(tuple),
)
reserves = st.builds(
    Reserve,
    order_id=_order_ids,
    nonce=st.sampled_from(("n1", "n2")),
    ticker=_tickers,
    event=st.sampled_from(EVENTS),
    exclusive=st.booleans(),
    book_side=_sides,
    price_cc=_prices,
    size_centi=_sizes,
    reduce_only=st.booleans(),
    fee_rate_ppm=st.sampled_from((0, 17_500, 70_000)),
    deadline_us=st.sampled_from((2_000, 80_000_000, 10**15)),
    now_us=_times,
    partition=st.sampled_from((0, 1)),
    epoch=st.sampled_from((1, 2)),
    reference_cc=st.sampled_from((None, 4000, 5000)),
    send_by_us=st.sampled_from((0, 5)),
    expires_us=st.sampled_from((0, 9)),
    exchange_index=st.sampled_from((0, 0, 0, 2, 2, 3, 101)),
)
acknowledges = st.builds(
    Acknowledge,
    order_id=_order_ids,
    exchange_order_id=_exchange_ids,
    ticker=_tickers,
    filled_centi=st.sampled_from((-1, 0, 100, 400)),
    remaining_centi=st.sampled_from((0, 0, 1, 600)),
)
fills = st.builds(
    SettleFill,
    trade_id=st.sampled_from(("t1", "t2", "t3")),
    order_id=_exchange_ids,
    ticker=_tickers,
    book_side=_sides,
    price_cc=_prices,
    size_centi=_sizes,
    fee_micros=_fees,
    exchange_index=st.sampled_from((0, 0, 0, 2, 2, 3, -1)),
)
closes = st.builds(
    Close,
    order_id=_order_ids,
    exchange_order_id=st.one_of(st.none(), _exchange_ids),
    filled_centi=st.sampled_from((-1, 0, 13, 100, 400, 1000)),
)
unknowns = st.builds(MarkUnknown, order_id=_order_ids)
settlements = st.builds(SettleMarket, ticker=_tickers, settlement_cc=st.sampled_from((-1, 0, 3456, 10_000, 10_001)))
adjusts = st.builds(
    Adjust,
    adjust_id=st.sampled_from(("d1", "d2", "d3")),
    amount_micros=st.sampled_from((5_000_000, -3, -2_000_000)),
    kind=st.sampled_from(("deposit", "residue", "rounding", "interest", "gift")),
    reason=st.just("test"),
    exchange_index=st.sampled_from((0, 0, 2, 101)),
)
_owners = st.sampled_from(("ann", "bob:1"))
holds = st.builds(
    Hold,
    name=st.sampled_from(("loss", "kill", "odd@M", "odd@shard:2")),
    mode=st.sampled_from(Mode),
    owner=_owners,
)
releases = st.builds(
    Release,
    name=st.sampled_from(("loss", "kill", "odd@M", "odd@shard:2", "unknown_own_order", "daily_loss", "drawdown")),
    owner=st.sampled_from(("ann", "bob:1", "ledger")),
)
limits = st.builds(
    Limits,
    price_collar_cc=st.sampled_from((None, None, 1000)),
    order_size_centi=st.sampled_from((None, 400)),
    orders_per_minute=st.sampled_from((None, None, 0, 2)),
    open_orders=st.sampled_from((None, None, 1, 2)),
    market_centi=st.sampled_from((None, 500, 1200)),
    event_loss_micros=st.sampled_from((None, 0, 4_000_000)),
    total_loss_micros=st.sampled_from((None, 500_000, 6_000_000)),
    cash_floor_micros=st.sampled_from((None, 1_000_000)),
    daily_loss_micros=st.sampled_from((None, 0, 300)),
    drawdown_micros=st.sampled_from((None, 500)),
    from_settings=st.sampled_from(((), ("drawdown_micros", "open_orders"))),
)
marks = st.builds(
    MarkEquity, day=st.sampled_from((0, 1, 2, 2, 3)), profit_micros=st.sampled_from((-700, -301, 0, 1, 400, 10**15))
)
epochs = st.builds(RaiseEpoch, partition=st.sampled_from((0, 1)), epoch=st.sampled_from((-1, 1, 2, 3)))
numbers = st.builds(NextNumber, name=st.sampled_from(("ingest", "observation")))
binds = st.builds(BindExchange, exchange=st.sampled_from(("", "A", "B", "C")), former=st.sampled_from(("", "A", "B")))
watermarks = st.builds(AdvanceWatermark, name=st.just("fills"), to_us=st.sampled_from((0, 5, 9)))
prune_times = st.sampled_from((0, 1_500, 10**9))
prunes = st.builds(
    Prune, terminal_before_us=prune_times, settled_before_us=prune_times, transfers_before_us=prune_times
)

_transfer_ids = st.sampled_from(("x", "y", "z"))
_transfer_amounts = st.sampled_from((0, 150, 300, 4_000_000, 100_000_000))
transfer_requests = st.builds(
    RequestTransfer, transfer_id=_transfer_ids, from_shard=_shards, to_shard=_shards, amount_micros=_transfer_amounts,
    now_us=st.just(5),
)  # fmt: skip
transfer_reports = st.builds(
    ReportTransfer, transfer_id=_transfer_ids, exchange_transfer_id=st.sampled_from(("", "e1", "e2")),
    from_shard=_shards, to_shard=_shards, amount_micros=_transfer_amounts,
    status=st.sampled_from(("accepted", "arrived", "arrived", "refused", "lost")), now_us=st.just(7),
)  # fmt: skip

verbs = st.one_of(
    reserves, reserves, reserves, acknowledges, acknowledges, fills, fills, closes, closes, unknowns, settlements,
    adjusts, holds, releases, limits, marks, epochs, numbers, binds, watermarks, prunes, transfer_requests,
    transfer_reports, transfer_reports,
)  # fmt: skip
