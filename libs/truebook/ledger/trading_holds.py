"""Every trading hold: a named reason not to trade freely, placed and released by one owner.

The most severe hold gives the account's mode. ``keeps_orders`` holds stop new orders and leave resting ones alone; any
other hold also cancels what its mode forbids. A hold ``NAME@TICKER`` is in force in that market only, ``NAME@shard:2``
in the markets of that exchange shard.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.ledger.verbs import Hold, Mode, Release, shard_scope


class TradingHold(msgspec.Struct, frozen=True, kw_only=True):
    """One named hold. ``description`` completes the sentence "in force while ..."; ``ends`` states what ends the hold,
    where the description does not name the command that does.
    """

    name: str
    owner: str
    mode: Mode = Mode.HALTED
    keeps_orders: bool = False
    description: str
    ends: str = ""
    per_market: bool = False
    """Placed under the name ``NAME@TICKER``, for each market concerned."""

    def of_market(self, ticker: str) -> TradingHold:
        """Return this hold for one market."""
        return msgspec.structs.replace(self, name=f"{self.name}@{ticker}")

    def of_shard(self, exchange_index: int) -> TradingHold:
        """Return this hold for the markets of one exchange shard."""
        return self.of_market(shard_scope(exchange_index))

    def place(self) -> Hold:
        """Return the verb that places this hold."""
        return Hold(name=self.name, mode=self.mode, owner=self.owner)

    def release(self) -> Release:
        """Return the verb that releases this hold."""
        return Release(name=self.name, owner=self.owner)


RECONCILIATION: Final = TradingHold(
    name="reconciliation", owner="reconciler", keeps_orders=True,
    description="the first complete comparison with the exchange after a start is not done",
    ends="the reconciler releases it after that comparison; if it stays, read the reconciler's log",
)  # fmt: skip
JOURNAL: Final = TradingHold(
    name="journal", owner="reconciler",
    description="the ledger is being restored from its journal and compared with the exchange, or contradicts it",
)  # fmt: skip
DIFFERENCE: Final = TradingHold(
    name="difference", owner="reconciler",
    description="ledger and exchange differ and no repair has removed the difference",
    ends="the reconciler releases it when both agree; `truebook reconcile` lists what differs",
)  # fmt: skip
UNREADABLE: Final = TradingHold(
    name="unreadable", owner="reconciler", per_market=True,
    description=(
        "the exchange reports an order, fill, position or settlement that can't be read and may be ours, and until the "
        "market's position agrees again"
    ),
)  # fmt: skip
NETTING: Final = TradingHold(
    name="netting", owner="reconciler",
    description="the account nets positions across markets, which the ledger does not model",
)  # fmt: skip
OPERATOR: Final = TradingHold(
    name="operator", owner="operator",
    description="an operator has halted trading (`truebook halt`), until `truebook resume`",
)  # fmt: skip
OPERATOR_KEEP_ORDERS: Final = TradingHold(
    name="operator_keep_orders", owner="operator", keeps_orders=True,
    description="an operator has halted trading but kept the resting orders (`truebook halt --keep-orders`)",
)  # fmt: skip
FLATTEN: Final = TradingHold(
    name="flatten", owner="operator", mode=Mode.FLATTENING,
    description="an operator has closed positions (`truebook flatten`), until `truebook resume`",
)  # fmt: skip
EXCHANGE_PAUSED: Final = TradingHold(
    name="exchange_paused",
    owner="execution",
    keeps_orders=True,
    description="the exchange has paused trading, of all markets or of one shard (`@shard:N`)",
    ends="execution releases it when the exchange trades again",
)
ACCOUNT_STALE: Final = TradingHold(
    name="account_stale", owner="execution", keeps_orders=True,
    description=(
        "no round of the reconciler or no sweep of the fills was complete for longer than `execution.max_account_age_s`"
    ),
    ends=(
        "execution releases it after a complete round and sweep; if it returns, the machine is overloaded or the "
        "exchange slow: trade fewer markets, or use a faster machine"
    ),
)  # fmt: skip
CLOCK: Final = TradingHold(
    name="clock", owner="execution", keeps_orders=True,
    description=(
        "this machine's clock and the exchange's differ by more than a second or have not been stable since, or the "
        "ledger was written by a clock more than a minute ahead"
    ),
    ends=(
        "execution releases it when the clocks agree and are stable; if it returns, synchronize this machine's clock; "
        "if the machine is overloaded, trade fewer markets"
    ),
)  # fmt: skip
CONFLICTING_REPORT: Final = TradingHold(
    name="conflicting_report", owner="ledger",
    description=(
        "a report of the exchange contradicts a recorded one; release with `truebook resume --hold NAME` after finding "
        "the cause (the same contradiction does not halt again)"
    ),
)  # fmt: skip
CORRUPT_LEDGER: Final = TradingHold(
    name="corrupt_ledger", owner="ledger",
    description=(
        "the stored totals of the account do not follow from its markets, orders and adjustments: restore the ledger "
        "from its journal, then release with `truebook resume --hold NAME`"
    ),
)  # fmt: skip
UNKNOWN_OWN_ORDER: Final = TradingHold(
    name="unknown_own_order", owner="ledger",
    description=(
        "the exchange has an order with our id prefix that this ledger never reserved: another ledger uses the "
        "account; release with `truebook resume --hold NAME` after finding the cause"
    ),
)  # fmt: skip
DAILY_LOSS: Final = TradingHold(
    name="daily_loss", owner="ledger", mode=Mode.FLATTENING,
    description=(
        "the account has lost more than `daily_loss_micros` since the start of a day; only `truebook resume --hold "
        "NAME` ends it, and the day's loss is then counted from the last mark on"
    ),
)  # fmt: skip
DRAWDOWN: Final = TradingHold(
    name="drawdown", owner="ledger", mode=Mode.FLATTENING,
    description=(
        "the account has lost more than `drawdown_micros` since its peak; only `truebook resume --hold NAME` ends it, "
        "and the last mark is then the peak"
    ),
)  # fmt: skip
ORDER_GROUP: Final = TradingHold(
    name="order_group", owner="ledger",
    description=(
        "the exchange has triggered the order group of our orders: they traded more than "
        "`execution.order_group_limit_centi` within 15 seconds, or it was triggered by hand; release with `truebook "
        "resume --hold NAME` after finding the cause"
    ),
)  # fmt: skip
WIND_DOWN: Final = TradingHold(
    name="wind_down", owner="embedded", description="a run has ended; the next run releases it"
)

TRADING_HOLDS: Final = (
    RECONCILIATION, JOURNAL, DIFFERENCE, UNREADABLE, NETTING, OPERATOR, OPERATOR_KEEP_ORDERS, FLATTEN, EXCHANGE_PAUSED,
    ACCOUNT_STALE, CLOCK, CONFLICTING_REPORT, CORRUPT_LEDGER, UNKNOWN_OWN_ORDER, DAILY_LOSS, DRAWDOWN,
    ORDER_GROUP, WIND_DOWN,
)  # fmt: skip
KEEPING_ORDERS: Final = frozenset(hold.name for hold in TRADING_HOLDS if hold.keeps_orders)
LEDGER_OWNER: Final = CONFLICTING_REPORT.owner
"""Owner of the holds that the ledger places itself; only an operator's decision ends them."""
