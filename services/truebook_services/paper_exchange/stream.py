"""One WebSocket connection without the socket: commands go in as text, frames come out in ``outbox``.

Every subscription counts its own ``seq``, over data and over ``ok`` and ``unsubscribed``. A reader that is too slow
loses the subscription whose frame found the outbox full, with error 25: nothing is left out silently.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from truebook_services.paper_exchange.frames import Outgoing
from truebook_services.paper_exchange.subscriptions import (
    MARKET_LIMIT,
    SEQUENCED,
    UNFILTERED,
    Channel,
    Subscription,
    Subscriptions,
)
from truebook_services.paper_exchange.ws_commands import (
    ClientCommand,
    CommandError,
    channels_of,
    error_text,
    flag_of,
    read_command,
    sids_of,
    tickers_of,
)

OVERFLOW = 25


class MarketView(Protocol):
    """What a connection reads of the exchange."""

    def now_us(self) -> int: ...
    def steady_us(self) -> int:
        """Local, steady time."""
        ...

    def snapshot(self, ticker: str, use_yes_price: bool) -> dict[str, Any] | None:
        """The book as a snapshot's ``msg``; none where the market is not known."""
        ...

    def ticker(self, ticker: str) -> Outgoing | None: ...


class StreamLimits(msgspec.Struct, frozen=True):
    """How many frames may wait, and how long the first data of a subscription are held back."""

    outbox: int
    first_data_after_us: int = 0


class StreamSession:
    """The subscriptions and frames of one connection."""

    def __init__(
        self,
        account: str,
        view: MarketView,
        limits: StreamLimits,
        wake: Callable[[], None],
        left: Callable[[StreamSession], None],
    ) -> None:
        self.account = account
        self.subscriptions = Subscriptions()
        self.outbox: deque[bytes] = deque()
        self._view = view
        self._limits = limits
        self._wake = wake
        self._left = left
        self._quiet_acks: set[int] = set()

    # What the client says.

    def receive(self, text: str | bytes) -> None:
        """Carry out one command; frames that answer it are in the outbox when this returns."""
        try:
            command = read_command(text)
            match command.cmd:
                case "subscribe":
                    self._subscribe(command)
                case "unsubscribe":
                    self._unsubscribe(command)
                case "update_subscription":
                    self._update(command)
                case _:
                    listed = [{"channel": one.channel.value, "sid": one.sid} for one in self.subscriptions.all()]
                    self._send("ok", listed, command_id=command.id)
        except CommandError as error:
            body = {"code": error.code, "msg": str(error)}
            self._send("error", body, command_id=error.command_id)
        self._wake()

    def _subscribe(self, command: ClientCommand) -> None:
        channels, tickers = channels_of(command), tickers_of(command)
        if Channel.ORDERBOOK in channels and tickers is None:
            raise CommandError(14, command.id)
        if tickers is not None and len(tickers) > MARKET_LIMIT:
            raise CommandError(26, command.id)
        use_yes_price, quiet = flag_of(command, "use_yes_price"), flag_of(command, "skip_ticker_ack")
        initial = flag_of(command, "send_initial_snapshot")
        started: list[tuple[Subscription, Sequence[str]]] = []
        for channel in channels:
            wanted = None if channel in UNFILTERED else tickers
            subscription = self.subscriptions.of(channel)
            if subscription is None:
                subscription = self.subscriptions.open(channel, wanted, use_yes_price)
                self._send("subscribed", {"channel": channel.value, "sid": subscription.sid}, command_id=command.id)
                new: Sequence[str] = list(subscription.tickers or ())
            else:
                new = subscription.add(wanted)
                self._acknowledge(subscription, command.id)
            if quiet:
                self._quiet_acks.add(subscription.sid)
            started.append((subscription, new))
        for subscription, new in started:
            self._first_data(subscription, new, initial)

    def _first_data(self, subscription: Subscription, tickers: Sequence[str], initial: bool) -> None:
        """Promise the first data of new tickers; without a delay they come at once."""
        if subscription.channel is Channel.ORDERBOOK or (subscription.channel is Channel.TICKER and initial):
            due_us = self._view.steady_us() + self._limits.first_data_after_us
            subscription.awaiting.update(dict.fromkeys(tickers, due_us))
            self.tick()

    def tick(self) -> None:
        """Send the first data whose time has come."""
        for subscription in self.subscriptions.all():
            if subscription.awaiting:
                now_us = self._view.steady_us()
                for ticker in [one for one, due_us in subscription.awaiting.items() if due_us <= now_us]:
                    self._send_first(subscription, ticker)

    def _send_first(self, subscription: Subscription, ticker: str) -> None:
        if subscription.channel is Channel.ORDERBOOK:
            self._snapshot(subscription, ticker)
            return
        del subscription.awaiting[ticker]
        update = self._view.ticker(ticker)
        if update is not None:
            self.publish(update)

    def _unsubscribe(self, command: ClientCommand) -> None:
        for sid in sids_of(command):
            subscription = self.subscriptions.by_sid(sid)
            if subscription is None:
                raise CommandError(7, command.id)
            self.subscriptions.end(subscription)
            self._send("unsubscribed", None, command_id=command.id, subscription=subscription, sequenced=True)

    def _update(self, command: ClientCommand) -> None:
        sids = sids_of(command)
        if len(sids) != 1:
            raise CommandError(12, command.id)
        subscription = self.subscriptions.by_sid(sids[0])
        if subscription is None:
            raise CommandError(7, command.id)
        action, tickers = command.params.get("action"), tickers_of(command)
        if action is None:
            raise CommandError(15, command.id)
        if tickers is None:
            raise CommandError(14, command.id)
        match action:
            case "add_markets":
                new = subscription.add(tickers)
                self._acknowledge(subscription, command.id)
                self._first_data(subscription, new, initial=False)
            case "delete_markets":
                subscription.remove(tickers)
                self._acknowledge(subscription, command.id)
            case "get_snapshot" if subscription.channel is Channel.ORDERBOOK:
                for ticker in tickers:
                    self._snapshot(subscription, ticker, command.id)
            case _:
                raise CommandError(13, command.id)

    # What the exchange says.

    def publish(self, outgoing: Outgoing) -> None:
        """Put a message into the outbox, where a subscription wants it."""
        subscription = self.subscriptions.of(outgoing.channel)
        if subscription is None or not subscription.wants(outgoing.ticker):
            return
        if outgoing.account is not None and outgoing.account != self.account:
            return
        if len(self.outbox) >= self._limits.outbox:
            self._overflow(subscription)
            return
        sequenced = outgoing.channel in SEQUENCED
        body = msgspec.Raw(outgoing.body(self.account, subscription.use_yes_price))
        self._send(outgoing.kind, body, subscription=subscription, sequenced=sequenced)

    def take(self) -> bytes | None:
        """Give the next frame to send, or none."""
        return self.outbox.popleft() if self.outbox else None

    def flush(self) -> None:
        """Tell the socket that a batch of messages is complete."""
        if self.outbox:
            self._wake()

    def ended(self) -> None:
        """Leave the exchange: the connection is gone."""
        self._left(self)

    def skip_one(self, outgoing: Outgoing) -> None:
        """Count a sequence number and withhold its frame: a fault on demand."""
        subscription = self.subscriptions.of(outgoing.channel)
        if subscription is not None and subscription.wants(outgoing.ticker):
            subscription.next_seq()

    def _snapshot(self, subscription: Subscription, ticker: str, command_id: int | None = None) -> None:
        subscription.awaiting.pop(ticker, None)
        body = self._view.snapshot(ticker, subscription.use_yes_price)
        if body is not None:
            self._send("orderbook_snapshot", body, command_id=command_id, subscription=subscription, sequenced=True)

    def _acknowledge(self, subscription: Subscription, command_id: int | None) -> None:
        body = {} if subscription.sid in self._quiet_acks else {"market_tickers": subscription.listed()}
        self._send("ok", body, command_id=command_id, subscription=subscription, sequenced=True)

    def _overflow(self, subscription: Subscription) -> None:
        self.subscriptions.end(subscription)
        body = {"code": OVERFLOW, "msg": error_text(OVERFLOW)}
        self._send("error", body, subscription=subscription, sequenced=True)

    def _send(
        self,
        kind: str,
        body: Any,
        *,
        command_id: int | None = None,
        subscription: Subscription | None = None,
        sequenced: bool = False,
    ) -> None:
        frame: dict[str, Any] = {"type": kind}
        if command_id is not None:
            frame["id"] = command_id
        if subscription is not None:
            frame["sid"] = subscription.sid
            if sequenced:
                frame["seq"] = subscription.next_seq()
        frame["sending_ts_ms"] = self._view.now_us() // 1000
        if body is not None:
            frame["msg"] = body
        self.outbox.append(msgspec.json.encode(frame) + b"\n")
