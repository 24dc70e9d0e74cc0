"""What services rely on at the exchange's stream, as tests: see ``exchange_contract``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from support.exchange_contract import ASK, BID, SECOND_US, TICKER, WITHIN_S, Contract, T
from truebook.book.order_book import OrderBook
from truebook.clock import SystemClock
from truebook.kalshi.port import (
    CommandOk,
    Connection,
    DeltaFrame,
    FillFrame,
    LifecycleFrame,
    OrderFrame,
    SnapshotFrame,
    StreamClosed,
    StreamError,
    StreamEvent,
    Subscribed,
    TradeFrame,
    Unsubscribed,
)  # fmt: skip
from truebook.kalshi.stream import commands
from truebook.kalshi.stream.error_codes import StreamErrorCode
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.market_metadata import MarketStatus
from truebook.venue.account import OrderStatus

PRIVATE = ("fill", "user_orders", "market_lifecycle_v2")
PROBE = '{"id":900,"cmd":"list_subscriptions"}'


class Frames:
    """Reads a connection's frames, decoded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.seen: list[StreamEvent] = []

    async def send(self, text: str) -> None:
        await self._connection.send(text)

    async def next(self) -> StreamEvent:
        async with asyncio.timeout(WITHIN_S):
            while (event := decode_frame(await self._connection.receive(), 0)) is None:
                pass
        self.seen.append(event)
        return event

    async def until(self, kind: type[T]) -> T:
        """Read until a frame of that kind."""
        while not isinstance(event := await self.next(), kind):
            pass
        return event

    async def take(self, count: int) -> list[StreamEvent]:
        return [await self.next() for _ in range(count)]

    async def drain(self) -> list[StreamEvent]:
        """Return every frame that was sent before now: a probe's response follows them."""
        await self.send(PROBE)
        taken: list[StreamEvent] = []
        while True:
            event = await self.next()
            if isinstance(event, CommandOk) and event.command_id == 900:
                return taken
            taken.append(event)


class StreamContract(Contract):
    async def open(self, *channels: str, tickers: Sequence[str] = (TICKER,)) -> Frames:
        """Connect and subscribe; the frames up to the last confirmation have been read."""
        frames = Frames(await self.harness.connector.connect())
        await frames.send(commands.subscribe(1, channels, tickers))
        while sum(isinstance(event, Subscribed) for event in frames.seen) < len(channels):
            await frames.next()
        return frames

    async def books(self, *tickers: str) -> tuple[Frames, int]:
        """Subscribe to books and read their snapshots; return the frames and the subscription's id."""
        frames = await self.open(commands.BOOK_CHANNEL, tickers=tickers)
        for _ in tickers:
            await frames.until(SnapshotFrame)
        sid = frames.seen[0].sid
        assert sid is not None
        return frames, sid

    # Books

    async def test_a_subscription_is_confirmed_before_its_snapshots(self) -> None:
        await self.list_market("CONTRACT-1-B")
        await self.quote(BID, 4_000, 150)
        await self.quote(ASK, 4_200, 70)
        frames, sid = await self.books(TICKER, "CONTRACT-1-B")
        confirmed, *snapshots = frames.seen
        assert isinstance(confirmed, Subscribed)
        assert (confirmed.command_id, confirmed.channel) == (1, commands.BOOK_CHANNEL)
        assert {frame.sid for frame in snapshots} == {sid}
        assert [frame.seq for frame in snapshots] == [1, 2]
        by_ticker = {frame.ticker: frame for frame in snapshots if isinstance(frame, SnapshotFrame)}
        assert (by_ticker[TICKER].bids, by_ticker[TICKER].asks) == (((4_000, 150),), ((4_200, 70),))
        assert (by_ticker["CONTRACT-1-B"].bids, by_ticker["CONTRACT-1-B"].asks) == ((), ())

    async def test_deltas_lead_from_the_snapshot_to_the_book(self) -> None:
        frames, sid = await self.books(TICKER)
        for side, price_cc, size_centi in ((BID, 4_000, 150), (ASK, 4_200, 70), (BID, 4_000, 50), (BID, 4_200, 20)):
            await self.quote(side, price_cc, size_centi)
        book = OrderBook()
        deltas = [event for event in await frames.drain() if isinstance(event, DeltaFrame)]
        for delta in deltas:
            book.change_level(delta.book_side, delta.price_cc, delta.delta_centi)
        listed = await self.rest.book(TICKER)
        assert (tuple(book.levels(BID)), tuple(book.levels(ASK))) == (listed.bids, listed.asks)
        assert [delta.seq for delta in deltas] == list(range(2, 2 + len(deltas)))
        assert {delta.sid for delta in deltas} == {sid}

    async def test_a_delta_of_our_order_carries_its_client_order_id(self) -> None:
        frames, _ = await self.books(TICKER)
        request = self.order()
        await self.create(request)
        await self.quote(BID, 3_900, 100)
        deltas = [event for event in await frames.drain() if isinstance(event, DeltaFrame)]
        assert [(delta.price_cc, delta.client_order_id) for delta in deltas] == [
            (4_000, request.client_order_id), (3_900, None),
        ]  # fmt: skip

    async def test_added_markets_are_confirmed_and_get_snapshots(self) -> None:
        await self.list_market("CONTRACT-1-B")
        frames, sid = await self.books(TICKER)
        await frames.send(commands.add_markets(2, sid, ("CONTRACT-1-B",)))
        confirmed, snapshot = await frames.take(2)
        assert isinstance(confirmed, CommandOk) and isinstance(snapshot, SnapshotFrame)
        assert (confirmed.command_id, set(confirmed.tickers)) == (2, {TICKER, "CONTRACT-1-B"})
        assert snapshot.ticker == "CONTRACT-1-B"
        assert (confirmed.sid, confirmed.seq, snapshot.sid, snapshot.seq) == (sid, 2, sid, 3)

    async def test_deleted_markets_get_no_more_frames(self) -> None:
        await self.list_market("CONTRACT-1-B")
        frames, sid = await self.books(TICKER, "CONTRACT-1-B")
        await frames.send(commands.delete_markets(2, sid, (TICKER,)))
        assert (await frames.until(CommandOk)).tickers == ("CONTRACT-1-B",)
        await self.quote(BID, 4_000, 100)
        await self.quote(BID, 4_000, 100, ticker="CONTRACT-1-B")
        assert [event.ticker for event in await frames.drain() if isinstance(event, DeltaFrame)] == ["CONTRACT-1-B"]

    async def test_a_requested_snapshot_is_in_sequence(self) -> None:
        frames, sid = await self.books(TICKER)
        await self.quote(BID, 4_000, 100)
        await frames.send(commands.get_snapshot(2, sid, (TICKER,)))
        delta, snapshot = await frames.take(2)
        assert isinstance(delta, DeltaFrame) and isinstance(snapshot, SnapshotFrame)
        assert (delta.seq, snapshot.seq, snapshot.sid) == (2, 3, sid)
        assert snapshot.bids == ((4_000, 100),)

    async def test_an_unknown_market_gets_no_snapshot(self) -> None:
        frames = await self.open(commands.BOOK_CHANNEL, tickers=("no-such-market",))
        assert await frames.drain() == []

    async def test_a_second_subscription_widens_the_first(self) -> None:
        await self.list_market("CONTRACT-1-B")
        frames, sid = await self.books(TICKER)
        await frames.send(commands.subscribe(2, (commands.BOOK_CHANNEL,), ("CONTRACT-1-B",)))
        confirmed, snapshot = await frames.take(2)
        assert isinstance(confirmed, CommandOk) and isinstance(snapshot, SnapshotFrame)
        assert (confirmed.sid, snapshot.sid, snapshot.ticker) == (sid, sid, "CONTRACT-1-B")

    async def test_each_connection_has_subscriptions_of_its_own(self) -> None:
        first, _ = await self.books(TICKER)
        await self.quote(BID, 4_000, 100)
        second, _ = await self.books(TICKER)
        await self.quote(BID, 4_000, 100)
        assert [event.seq for event in await first.drain()] == [2, 3]
        assert [event.seq for event in await second.drain()] == [2]

    async def test_an_ended_subscription_gets_no_more_frames(self) -> None:
        frames, sid = await self.books(TICKER)
        await frames.send(commands.unsubscribe(2, (sid,)))
        ended = await frames.until(Unsubscribed)
        assert (ended.command_id, ended.sid) == (2, sid)
        await self.quote(BID, 4_000, 100)
        assert await frames.drain() == []

    # Trades, private frames, life cycle

    async def test_a_trade_is_published_with_its_taker(self) -> None:
        frames = await self.open("trade")
        await self.quote(ASK, 4_200, 70)
        await self.quote(BID, 4_300, 50)
        (trade,) = await frames.drain()
        assert isinstance(trade, TradeFrame)
        assert (trade.ticker, trade.price_cc, trade.size_centi, trade.taker_side) == (TICKER, 4_200, 50, BID)
        assert (trade.seq, trade.block) == (1, False)

    async def test_an_order_is_reported_before_its_fills(self) -> None:
        frames = await self.open(*PRIVATE, tickers=())
        request = self.order(size_centi=500)
        created = await self.create(request)
        await self.quote(ASK, 4_000, 200)
        await self.rest.cancel_order(created.exchange_order_id, TICKER)
        events = await frames.drain()
        assert [type(event) for event in events] == [OrderFrame, OrderFrame, FillFrame, OrderFrame]
        orders = [event.order for event in events if isinstance(event, OrderFrame)]
        assert [(order.status, order.filled_centi, order.remaining_centi) for order in orders] == [
            (OrderStatus.RESTING, 0, 500), (OrderStatus.RESTING, 200, 300), (OrderStatus.CANCELED, 200, 0),
        ]  # fmt: skip
        assert {order.client_order_id for order in orders} == {request.client_order_id}

    async def test_a_fill_frame_equals_the_fill_by_rest(self) -> None:
        frames = await self.open("fill", tickers=())
        request = self.order()
        await self.create(request)
        await self.quote(ASK, 4_000, 400)
        (event,) = await frames.drain()
        assert isinstance(event, FillFrame)
        (listed,) = await self.rest.fills()
        pushed = event.fill
        for name in (
            "trade_id", "exchange_order_id", "ticker", "book_side", "price_cc", "size_centi", "fee_micros", "is_taker",
        ):  # fmt: skip
            assert getattr(pushed, name) == getattr(listed, name), name
        assert abs(pushed.created_us - listed.created_us) < 1_000
        assert (pushed.client_order_id, pushed.basis) == (request.client_order_id, "synthetic")

    async def test_orders_of_others_are_private(self) -> None:
        frames = await self.open(*PRIVATE, tickers=())
        await self.quote(ASK, 4_000, 200)
        await self.quote(BID, 4_000, 200)
        assert await frames.drain() == []

    async def test_a_market_s_value_is_published_before_its_settlement(self) -> None:
        frames = await self.open("market_lifecycle_v2", tickers=())
        await self.determine(3_456)
        determined = await frames.until(LifecycleFrame)
        settled = await frames.until(LifecycleFrame)
        assert [(event.ticker, event.event_type) for event in (determined, settled)] == [
            (TICKER, "determined"), (TICKER, "settled"),
        ]  # fmt: skip
        assert (determined.settlement_cc, determined.status) == (3_456, MarketStatus.DETERMINED)
        assert settled.status is MarketStatus.FINALIZED

    async def test_new_and_moved_markets_are_announced(self) -> None:
        frames = await self.open("market_lifecycle_v2", tickers=())
        await self.list_market("CONTRACT-1-B", close_us=SystemClock().now_us() + 3_600 * SECOND_US)
        close_us = SystemClock().now_us() // SECOND_US * SECOND_US + 60 * SECOND_US
        await self.harness.act(lambda engine, at_us: engine.lifecycle.move_close("CONTRACT-1-B", close_us, at_us))
        events = [event for event in await frames.drain() if isinstance(event, LifecycleFrame)]
        assert [(event.ticker, event.event_type) for event in events] == [
            ("CONTRACT-1-B", "created"), ("CONTRACT-1-B", "close_date_updated"),
        ]  # fmt: skip
        assert events[1].close_us == close_us

    # Errors and ends

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("not json", StreamErrorCode.UNREADABLE_MESSAGE),
            ('{"id":5,"cmd":"dance","params":{}}', StreamErrorCode.UNKNOWN_COMMAND),
            ('{"id":5,"cmd":"subscribe","params":{"channels":["nothing"]}}', StreamErrorCode.UNKNOWN_CHANNEL),
            ('{"id":5,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', StreamErrorCode.TICKER_REQUIRED),
            (commands.get_snapshot(5, 77, (TICKER,)), StreamErrorCode.UNKNOWN_SID),
            (commands.unsubscribe(5, (77,)), StreamErrorCode.UNKNOWN_SID),
        ],
        ids=["text", "command", "channel", "ticker", "sid", "unsubscribe"],
    )
    async def test_an_invalid_command_is_refused_with_its_code(self, command: str, code: StreamErrorCode) -> None:
        frames = Frames(await self.harness.connector.connect())
        await frames.send(command)
        error = await frames.next()
        assert isinstance(error, StreamError)
        assert (error.code, error.command_id) == (code, 5 if command.startswith("{") else None)
        assert await frames.drain() == [], "the connection is still usable"

    async def test_a_closed_connection_sends_and_receives_nothing(self) -> None:
        connection = await self.harness.connector.connect()
        await connection.close()
        with pytest.raises(StreamClosed):
            await connection.send(PROBE)
        with pytest.raises(StreamClosed):
            await connection.receive()
        await connection.close()

    async def test_a_lost_connection_ends_a_waiting_receive(self) -> None:
        connection = await self.harness.connector.connect()
        waiting = asyncio.ensure_future(connection.receive())
        await asyncio.sleep(0.05)
        self.harness.drop_connections()
        async with asyncio.timeout(WITHIN_S):
            with pytest.raises(StreamClosed):
                await waiting
        frames, _ = await self.books(TICKER)
        assert isinstance(frames.seen[0], Subscribed), "another connection can be opened"
