"""The simulated exchange without sockets: its engine, traders, stream sessions and REST application, driven by a pump.

It is also the reference: the ledger is compared with the account's events as recorded here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from chaos.conditions import NetworkConditions
from chaos.faults import Kind
from chaos.history import History, Violation
from support.in_memory_rest import Shown
from truebook.clock import Clock
from truebook.messages.market_metadata import MarketStatus, PriceRange
from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.venue.accounts import CashMove
from truebook.venue.account import ExchangeFill, ExchangeOrder
from truebook_services.paper_exchange.engine.commands import MoveCash, TransferCash
from truebook_services.paper_exchange.faults import fill_key
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

ACCOUNT = "sim-main"
KEY_ID = "chaos"
BALANCE_MICROS = 1_000_000_000
MARKETS = 10
MAX_PAUSE_S = 0.1
MIN_PAUSE_S = 0.01
STAYS_OPEN_S = 15.0
PLENTY_MICROS = 100_000_000
"""A shard with so much is not overdrawn by a transfer of others, whatever is reserved for fees."""
LISTS = (
    Shown.ORDERS, Shown.FILLS, Shown.SETTLEMENTS, Shown.POSITIONS, Shown.BALANCE, Shown.SHARD_TRANSFERS,
)  # fmt: skip
"""The account's data that may be stale; the data timestamp is as old as they are."""


class Exchange:
    """See the module."""

    def __init__(
        self,
        seed: int,
        clock: Clock,
        log: Any,
        *,
        history: History,
        conditions: NetworkConditions,
        schedule: tuple[str, ...],
        shards: tuple[str, ...] = (),
    ) -> None:
        settings = PaperExchangeSettings(
            markets=MARKETS, seed=seed, preset=Preset.EASY, account=ACCOUNT, balance_micros=BALANCE_MICROS,
            key_id=KEY_ID, verify_signatures=False, state_folder=None, tier="premier", faults=schedule,
            late_fill_delay_ms=3_000, shards=shards,
        )  # fmt: skip
        self.paper = PaperExchange(settings, clock, log)
        self.paper.prepare()
        self.state = self.paper.state
        self.engine = self.state.engine
        self.conditions = conditions
        self.orders: dict[str, ExchangeOrder] = {}
        """By client order id, as they are now."""
        self.fills: dict[tuple[str, str], ExchangeFill] = {}
        """By (exchange order id, trade id): every fill of the account, published or not."""
        self.sent: Counter[str] = Counter()
        """How often a client order id was sent to the exchange, whether it arrived or not."""
        self.accepted: Callable[[ExchangeOrder], None] = lambda _: None
        """Called when an order of the account is created."""
        self._history = history
        self._frozen: dict[str, Any] | None = None

    def now_us(self) -> int:
        return self.paper.now_us()

    async def run(self) -> None:
        """Advance the engine for ever: when an event is due, a command waits, or ``MAX_PAUSE_S`` has passed."""
        core = self.state.core
        while True:
            if not core.tick(self.now_us(), self._publish):
                await asyncio.sleep(0)
                continue
            due_us = [due for due in (core.source.next_due_us(), self.engine.next_due_us()) if due is not None]
            pause_s = (min(due_us) - self.now_us()) / 1e6 if due_us else MAX_PAUSE_S
            try:
                async with asyncio.timeout(min(max(pause_s, MIN_PAUSE_S), MAX_PAUSE_S)):
                    await core.wake.wait()
            except TimeoutError:
                pass

    # Reads.

    def shown(self, what: Shown) -> Any:
        """Return data of the account as REST shows it: current, or as it was when reads became stale."""
        if not self.conditions.active(Kind.STALE_READS):
            self._frozen = None
            return self._now(what)
        if self._frozen is None:
            self._frozen = {one: self._now(one) for one in (Shown.DATA_TIME_US, *LISTS)}
        is_frozen = what in self.conditions.frozen_lists or what is Shown.DATA_TIME_US
        return self._frozen[what] if is_frozen else self._now(what)

    def _now(self, what: Shown) -> Any:
        match what:
            case Shown.DATA_TIME_US:
                return self.state.faults.visible_until_us(self.state.core.reached_us)
            case Shown.FILLS:
                hidden = self.state.faults.hidden_fills()
                recorded = self.engine.queries.fills(ACCOUNT)
                return [fill for fill in recorded if fill_key(fill) not in hidden] if hidden else recorded
            case _:
                return getattr(self.engine.queries, what)(ACCOUNT)

    async def deposit(self, random: Random) -> None:
        """Deposit money as on the exchange's own pages; it is recognized within ``MOVED_CASH``'s time.

        Less than the fee holds of the open orders may be is seen only once none is open: not before the run's end.
        """
        command = TransferCash(ACCOUNT, f"elsewhere {self.now_us()}", random.randint(10, 50) * 1_000_000)
        await self.state.core.execute([command])

    def executed_transfers(self) -> set[str]:
        """Return our ids of the transfers between shards that the exchange has executed."""
        moves = self.engine._accounts.account(ACCOUNT).moves.values()
        return {move.client_transfer_id for move in moves if move.client_transfer_id is not None}

    async def move_elsewhere(self, random: Random) -> None:
        """Move some cash between shards as the exchange's own pages do, from one that has plenty of it."""
        balance = self.engine.queries.balance(ACCOUNT)
        rich = [one.exchange_index for one in balance.by_shard if one.balance_micros > PLENTY_MICROS]
        if len(balance.by_shard) > 1 and rich:
            from_shard = random.choice(rich)
            to_shard = random.choice(
                [one.exchange_index for one in balance.by_shard if one.exchange_index != from_shard]
            )
            move = CashMove(
                from_shard=from_shard, to_shard=to_shard, amount_micros=random.randint(1, 3) * 1_000_000,
                delay_us=random.choice((0, 2_000_000, 9_000_000)),
            )  # fmt: skip
            await self.state.core.execute([MoveCash(ACCOUNT, move)])

    # Markets.

    def pick_market(self, random: Random, lasts_s: float) -> str | None:
        """Pick an open market that closes later than in ``lasts_s`` and a while."""
        until_us = self.now_us() + int((lasts_s + STAYS_OPEN_S) * 1e6)
        open_ = [
            one.ticker
            for one in self.engine.queries.markets()
            if one.status is MarketStatus.ACTIVE and one.close_us > until_us
        ]
        return random.choice(sorted(open_)) if open_ else None

    def set_status(self, ticker: str, status: MarketStatus) -> None:
        """Pause a market or open it again."""
        self._publish(self.engine.lifecycle.follow_status(ticker, status, self.now_us()))

    def set_grid(self, ticker: str, ranges: tuple[PriceRange, ...]) -> None:
        self._publish(self.engine.lifecycle.change_grid(ticker, ranges, self.now_us()))

    # Events.

    def _publish(self, events: Sequence[SimulationEvent]) -> None:
        for event in events:
            kind = type(event).__name__
            subject = getattr(event, "ticker", "")
            match event:
                case OrderChanged(account=account, order=order) if account == ACCOUNT:
                    subject = order.ticker
                    self._observe_order(order)
                case Filled(account=account, fill=fill) if account == ACCOUNT:
                    subject = fill.ticker
                    key = (fill.exchange_order_id, fill.trade_id)
                    if key in self.fills:
                        raise Violation("an exchange fill has one identity", str(fill), subject=fill.ticker)
                    self.fills[key] = fill
                case Settled(settlement=settlement):
                    subject = settlement.ticker
                case _:
                    pass
            self._history.record(f"exchange:{kind}", subject, msgspec.json.encode(event))
        self.paper.hub.publish(events)

    def _observe_order(self, order: ExchangeOrder) -> None:
        known = self.orders.get(order.client_order_id)
        self.orders[order.client_order_id] = order
        if known is None:
            self.accepted(order)
        elif known.exchange_order_id != order.exchange_order_id:
            raise Violation("no client order id is used twice", f"{known} and {order}", subject=order.client_order_id)
