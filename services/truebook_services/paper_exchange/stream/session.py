"""One stream session without a socket: commands go in as text, frames come out of ``outbox``.

Every subscription counts its own ``seq``, over data, ``ok`` and ``unsubscribed``. If the outbox is full, the
subscription of the next frame ends with error 25: no frame is dropped silently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from truebook.kalshi.stream.error_codes import ERROR_TEXTS, StreamErrorCode
from truebook.simulation.venue.subaccount_names import number_of, owner_of
from truebook_services.paper_exchange.stream.commands import (
    ClientCommand,
    CommandError,
    channels_of,
    flag_of,
    market_ids_of,
    read_command,
    sids_of,
    tickers_of,
)
from truebook_services.paper_exchange.stream.frames import Outgoing
from truebook_services.paper_exchange.stream.subscriptions import (
    MARKET_LIMIT,
    SEQUENCED,
    UNFILTERED,
    ChannelSubscription,
    StreamChannel,
    Subscriptions,
)


class StreamView(Protocol):
    """What a session reads of the exchange."""

    def now_us(self) -> int: ...
    def steady_us(self) -> int:
        """Return local monotonic time."""
        ...

    def snapshot(self, ticker: str, use_yes_price: bool) -> dict[str, Any] | None:
        """Return the book as a snapshot's ``msg``; None for an unknown market."""
        ...

    def ticker(self, ticker: str) -> Outgoing | None: ...
    def tickers_of_ids(self, market_ids: Sequence[str]) -> list[str]:
        """Return the tickers of markets' ids, without the unknown ones."""
        ...

    def renewed(self, session: StreamSession) -> None:
        """Note that a session has subscribed, or was sent a snapshot that it requested."""
        ...

    def scheduled(self) -> None:
        """Note that ``next_due_us`` of a session may be earlier than before."""
        ...


class StreamLimits(msgspec.Struct, frozen=True):
    """The size of the outbox, and the delay of a subscription's first data."""

    outbox: int
    first_data_delay_us: int = 0


class StreamSession:
    """The subscriptions and frames of one connection."""

    def __init__(
        self,
        account: str,
        view: StreamView,
        limits: StreamLimits,
        wake: Callable[[], None],
        on_end: Callable[[StreamSession], None],
        locked: int | None = None,
    ) -> None:
        """With a ``locked`` subaccount, only that one's private frames are sent."""
        self.account = account
        self._locked = locked
        self.subscriptions = Subscriptions()
        self.outbox: deque[bytes] = deque()
        self._view = view
        self._limits = limits
        self._wake = wake
        self._on_end = on_end
        self._quiet_acks: set[int] = set()

    # Commands of the client.

    def receive(self, text: str | bytes) -> None:
        """Execute one command; its response frames are in the outbox when this returns."""
        try:
            command = read_command(text)
            match command.cmd:
                case "subscribe":
                    self._subscribe(command)
                    self._view.renewed(self)
                case "unsubscribe":
                    self._unsubscribe(command)
                case "update_subscription":
                    self._update(command)
                case _:
                    listed = [{"channel": one.channel.value, "sid": one.sid} for one in self.subscriptions.all()]
                    self._send("ok", listed, command_id=command.id)
        except CommandError as error:
            self._refuse(error.code, error.command_id)
        self._wake()

    def _refuse(self, code: StreamErrorCode, command_id: int | None) -> None:
        self._send("error", {"code": code, "msg": ERROR_TEXTS[code]}, command_id=command_id)

    def _subscribe(self, command: ClientCommand) -> None:
        channels = channels_of(command)
        tickers = self._tickers_of(command, may_name_ids=channels == [StreamChannel.TICKER])
        if tickers is not None and len(tickers) > MARKET_LIMIT:
            raise CommandError(StreamErrorCode.MARKET_LIMIT, command.id)
        use_yes_price, quiet = flag_of(command, "use_yes_price"), flag_of(command, "skip_ticker_ack")
        initial = flag_of(command, "send_initial_snapshot")
        started: list[tuple[ChannelSubscription, Sequence[str]]] = []
        for channel in channels:
            # A bad channel is refused alone: the others are subscribed to.
            if channel is None:
                self._refuse(StreamErrorCode.UNKNOWN_CHANNEL, command.id)
                continue
            if channel is StreamChannel.ORDERBOOK and tickers is None:
                self._refuse(StreamErrorCode.TICKER_REQUIRED, command.id)
                continue
            filter_tickers = None if channel in UNFILTERED else tickers
            subscription = self.subscriptions.of(channel)
            if subscription is None:
                subscription = self.subscriptions.open(channel, filter_tickers, use_yes_price)
                self._send("subscribed", {"channel": channel.value, "sid": subscription.sid}, command_id=command.id)
                new: Sequence[str] = list(subscription.tickers or ())
            else:
                new = subscription.add(filter_tickers)
                self._acknowledge(subscription, command.id)
            if quiet:
                self._quiet_acks.add(subscription.sid)
            started.append((subscription, new))
        for subscription, new in started:
            self._first_data(subscription, new, initial)

    def _tickers_of(self, command: ClientCommand, *, may_name_ids: bool) -> list[str] | None:
        """Read the markets of a command; None if none are named.

        Ids select markets of the channel ``ticker`` only. Elsewhere, or unknown, they are refused: without a filter the
        command would select all markets.
        """
        tickers, ids = tickers_of(command), market_ids_of(command)
        if not ids:
            return tickers
        found = self._view.tickers_of_ids(ids) if may_name_ids else []
        if len(found) < len(ids):
            raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
        return [*(tickers or ()), *found]

    def _first_data(self, subscription: ChannelSubscription, tickers: Sequence[str], initial: bool) -> None:
        """Schedule the first data of new tickers; without a delay they are sent at once."""
        if subscription.channel is StreamChannel.ORDERBOOK or (
            subscription.channel is StreamChannel.TICKER and initial
        ):
            due_us = self._view.steady_us() + self._limits.first_data_delay_us
            subscription.first_data_due_us.update(dict.fromkeys(tickers, due_us))
            self.tick()
            self._view.scheduled()

    def next_due_us(self) -> int | None:
        """Return when the next first data is due, in local monotonic time."""
        due_us = (at for one in self.subscriptions.all() for at in one.first_data_due_us.values())
        return min(due_us, default=None)

    def tick(self) -> None:
        """Send the first data that is due."""
        for subscription in self.subscriptions.all():
            if subscription.first_data_due_us:
                now_us = self._view.steady_us()
                for ticker in [one for one, due_us in subscription.first_data_due_us.items() if due_us <= now_us]:
                    self._send_first(subscription, ticker)

    def _send_first(self, subscription: ChannelSubscription, ticker: str) -> None:
        if subscription.channel is StreamChannel.ORDERBOOK:
            self._snapshot(subscription, ticker)
            return
        del subscription.first_data_due_us[ticker]
        update = self._view.ticker(ticker)
        if update is not None:
            self.publish(update)

    def _unsubscribe(self, command: ClientCommand) -> None:
        for sid in sids_of(command):
            subscription = self.subscriptions.by_sid(sid)
            if subscription is None:
                raise CommandError(StreamErrorCode.UNKNOWN_SID, command.id)
            self.subscriptions.end(subscription)
            self._send("unsubscribed", None, command_id=command.id, subscription=subscription)

    def _update(self, command: ClientCommand) -> None:
        sids = sids_of(command)
        if len(sids) != 1:
            raise CommandError(StreamErrorCode.ONE_SID_REQUIRED, command.id)
        subscription = self.subscriptions.by_sid(sids[0])
        if subscription is None:
            raise CommandError(StreamErrorCode.UNKNOWN_SID, command.id)
        action = command.params.get("action")
        tickers = self._tickers_of(command, may_name_ids=subscription.channel is StreamChannel.TICKER)
        if action is None:
            raise CommandError(StreamErrorCode.ACTION_REQUIRED, command.id)
        if tickers is None:
            raise CommandError(StreamErrorCode.TICKER_REQUIRED, command.id)
        match action:
            case "add_markets":
                new = subscription.add(tickers)
                self._acknowledge(subscription, command.id)
                self._first_data(subscription, new, initial=flag_of(command, "send_initial_snapshot"))
                self._view.renewed(self)
            case "delete_markets":
                subscription.remove(tickers)
                self._acknowledge(subscription, command.id)
            case "get_snapshot" if subscription.channel is StreamChannel.ORDERBOOK:
                sent = [self._snapshot(subscription, ticker, command.id) for ticker in tickers]
                if not all(sent):
                    raise CommandError(StreamErrorCode.INVALID_PARAMETER, command.id)
                self._view.renewed(self)
            case _:
                raise CommandError(StreamErrorCode.UNSUPPORTED_ACTION, command.id)

    # Frames of the exchange.

    def publish(self, outgoing: Outgoing, *, twice: bool = False) -> None:
        """Put a message into the outbox if a subscription matches it; ``twice`` is an injected fault."""
        subscription = self.subscriptions.of(outgoing.channel)
        if subscription is None or not subscription.matches(outgoing.ticker):
            return
        if outgoing.account is not None and not self._is_own(outgoing.account):
            return
        if len(self.outbox) >= self._limits.outbox:
            self._overflow(subscription)
            return
        body = outgoing.body(outgoing.owner is not None and self._is_own(outgoing.owner), subscription.use_yes_price)
        # As ``_send`` writes it: the frames of a market are most of what is sent.
        start, at_ms = subscription.start_of(outgoing.kind), self._view.now_us() // 1000
        if outgoing.channel in SEQUENCED:
            frame = b'%b,"seq":%d,"sending_ts_ms":%d,"msg":%b}\n' % (start, subscription.next_seq(), at_ms, body)
        else:
            frame = b'%b,"sending_ts_ms":%d,"msg":%b}\n' % (start, at_ms, body)
        self.outbox.append(frame)
        if twice:
            self.outbox.append(self.outbox[-1])

    def _is_own(self, name: str | None) -> bool:
        """Return whether a subaccount is one of those that the session's key may use."""
        if name is None:
            return False
        if name == self.account:
            return not self._locked
        return owner_of(name) == self.account and self._locked in (None, number_of(name))

    def take(self) -> bytes | None:
        """Return the next frame to send, or None."""
        return self.outbox.popleft() if self.outbox else None

    def flush(self) -> None:
        """Wake the socket after a batch of messages."""
        if self.outbox:
            self._wake()

    def ended(self) -> None:
        """Remove the session from the exchange: the connection is closed."""
        self._on_end(self)

    def skip_one(self, outgoing: Outgoing, *, restarts: bool = False) -> None:
        """Count a sequence number without sending its frame, or restart the numbers: an injected fault."""
        subscription = self.subscriptions.of(outgoing.channel)
        if subscription is not None and subscription.matches(outgoing.ticker):
            if restarts:
                subscription.restart_seq()
            else:
                subscription.next_seq()

    def _snapshot(self, subscription: ChannelSubscription, ticker: str, command_id: int | None = None) -> bool:
        """Send a market's book; returns False for an unknown market."""
        subscription.first_data_due_us.pop(ticker, None)
        body = self._view.snapshot(ticker, subscription.use_yes_price)
        if body is not None:
            self._send("orderbook_snapshot", body, command_id=command_id, subscription=subscription)
        return body is not None

    def _acknowledge(self, subscription: ChannelSubscription, command_id: int | None) -> None:
        body = {} if subscription.sid in self._quiet_acks else {"market_tickers": subscription.listed()}
        self._send("ok", body, command_id=command_id, subscription=subscription)

    def _overflow(self, subscription: ChannelSubscription) -> None:
        self.subscriptions.end(subscription)
        code = StreamErrorCode.BUFFER_OVERFLOW
        self._send("error", {"code": code, "msg": ERROR_TEXTS[code]}, subscription=subscription)

    def _send(
        self,
        kind: str,
        body: Any,
        *,
        command_id: int | None = None,
        subscription: ChannelSubscription | None = None,
    ) -> None:
        frame: dict[str, Any] = {"type": kind}
        if command_id is not None:
            frame["id"] = command_id
        if subscription is not None:
            frame["sid"] = subscription.sid
            frame["seq"] = subscription.next_seq()
        frame["sending_ts_ms"] = self._view.now_us() // 1000
        if body is not None:
            frame["msg"] = body
        self.outbox.append(msgspec.json.encode(frame) + b"\n")
