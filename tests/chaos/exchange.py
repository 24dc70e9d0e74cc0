"""The simulated exchange without sockets: its engine, traders, stream sessions and REST application, turned by a pump.

It also is the witness: what it has told about the account is the truth by which the ledger is judged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from chaos.faults import Kind
from chaos.history import History, Violation
from chaos.weather import Weather
from truebook.clock import Clock
from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.venue.account import ExchangeFill, ExchangeOrder
from truebook_services.paper_exchange.fault_board import fill_key
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

ACCOUNT = "sim-main"
KEY_ID = "chaos"
BALANCE_MICROS = 1_000_000_000
MARKETS = 10
MOST_PAUSE_S = 0.1
LEAST_PAUSE_S = 0.01
LISTS = ("orders", "fills", "settlements", "positions", "balance")
"""What REST shows of the account; newest first, as the exchange lists."""
AT_US = "at_us"
"""Up to when all that happened is shown."""


class Exchange:
    """See the module."""

    def __init__(
        self, seed: int, clock: Clock, log: Any, *, history: History, weather: Weather, schedule: tuple[str, ...]
    ) -> None:
        settings = PaperExchangeSettings(
            markets=MARKETS, seed=seed, account=ACCOUNT, balance_micros=BALANCE_MICROS, key_id=KEY_ID,
            verify_signatures=False, state_folder=None, tier="premier", faults=schedule, late_fill_ms=3_000,
        )  # fmt: skip
        self.paper = PaperExchange(settings, clock, log)
        self.paper.prepare()
        self.floor = self.paper.floor
        self.engine = self.floor.engine
        self.weather = weather
        self.orders: dict[str, ExchangeOrder] = {}
        """By client order id, as they are now."""
        self.fills: dict[tuple[str, str], ExchangeFill] = {}
        """By (exchange order id, trade id): every fill of the account, told or not."""
        self.sent: Counter[str] = Counter()
        """How often a client order id was sent to the exchange, whether it arrived or not."""
        self.accepted: Callable[[ExchangeOrder], None] = lambda _: None
        """Called when an order of the account comes to be."""
        self._history = history
        self._frozen: dict[str, Any] | None = None

    def now_us(self) -> int:
        return self.paper.now_us()

    async def run(self) -> None:
        """Turn for ever: when something is due, when a command waits, and now and then."""
        core = self.floor.core
        while True:
            if not core.turn(self.now_us(), self._deliver):
                await asyncio.sleep(0)
                continue
            due_us = [due for due in (core.source.next_due_us(), self.engine.next_due_us()) if due is not None]
            pause_s = (min(due_us) - self.now_us()) / 1e6 if due_us else MOST_PAUSE_S
            try:
                async with asyncio.timeout(min(max(pause_s, LEAST_PAUSE_S), MOST_PAUSE_S)):
                    await core.wake.wait()
            except TimeoutError:
                pass

    # What REST shows.

    def shown(self, name: str) -> Any:
        """One of the lists as REST shows it: as it is, or as it was when reads began to be stale."""
        if not self.weather.rages(Kind.STALE_READS):
            self._frozen = None
            return self._now(name)
        if self._frozen is None:
            self._frozen = {one: self._now(one) for one in (AT_US, *LISTS)}
        is_frozen = name in self.weather.frozen_lists or name == AT_US
        return self._frozen[name] if is_frozen else self._now(name)

    def _now(self, name: str) -> Any:
        match name:
            case "orders":
                return self.engine.orders(ACCOUNT)
            case "fills":
                hidden = self.floor.faults.hidden_fills()
                booked = self.engine.fills(ACCOUNT)
                return [fill for fill in booked if fill_key(fill) not in hidden] if hidden else booked
            case "settlements":
                return self.engine.settlements(ACCOUNT)
            case "positions":
                return self.engine.positions(ACCOUNT)
            case "balance":
                return self.engine.balance(ACCOUNT)
            case _:
                return self.floor.faults.visible_until_us(self.floor.core.reached_us)

    # What happens.

    def _deliver(self, events: Sequence[SimulationEvent]) -> None:
        for event in events:
            kind = type(event).__name__
            subject = getattr(event, "ticker", "")
            match event:
                case OrderChanged(account=account, order=order) if account == ACCOUNT:
                    subject = order.ticker
                    self._witness(order)
                case Filled(account=account, fill=fill) if account == ACCOUNT:
                    subject = fill.ticker
                    key = (fill.exchange_order_id, fill.trade_id)
                    if key in self.fills:
                        raise Violation("an exchange's fill has one identity", str(fill), subject=fill.ticker)
                    self.fills[key] = fill
                case Settled(settlement=settlement):
                    subject = settlement.ticker
                case _:
                    pass
            self._history.record(f"exchange:{kind}", subject, msgspec.json.encode(event))
        self.floor.hub.deliver(events)

    def _witness(self, order: ExchangeOrder) -> None:
        known = self.orders.get(order.client_order_id)
        self.orders[order.client_order_id] = order
        if known is None:
            self.accepted(order)
        elif known.exchange_order_id != order.exchange_order_id:
            raise Violation("no client order id comes twice", f"{known} and {order}", subject=order.client_order_id)
