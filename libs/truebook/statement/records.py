"""The daily statement as data: integers with the unit in the name; null is not known. No rendering."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from truebook.messages.envelope import BookSide

OPENING: str = "opening"
"""The kind of the flow that opened the account."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """One day in a time zone: from its midnight to the next one."""

    day: str
    """As YYYY-MM-DD."""
    zone: str
    from_us: int
    to_us: int
    """The first microsecond that is not part of the day."""


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """The account after an entry of the journal."""

    seq: int
    """The number of that entry; 0: before the first one."""
    cash_micros: int
    reserved_micros: int
    in_transit_micros: int
    overdrawn_micros: int
    position_cost_micros: int
    position_value_micros: int | None
    """What selling the positions would bring, at the last mark or by the books of now."""
    equity_micros: int | None
    valued_us: int | None
    """When the positions were valued."""

    @property
    def owned_micros(self) -> int:
        """Cash with reservations and what is in transit, less what is overdrawn: all but the positions."""
        return self.cash_micros - self.overdrawn_micros + self.reserved_micros + self.in_transit_micros


class FillLine(msgspec.Struct, frozen=True, kw_only=True):
    """A fill on the day on which it was recorded."""

    seq: int
    at_us: int | None
    """The exchange's time of the trade; null where an earlier version recorded the fill."""
    recorded_us: int
    is_late: bool
    """Traded before the day began, and recorded on it."""
    ticker: str
    trade_id: str
    exchange_order_id: str
    order_id: str
    model: str | None
    """The model that decided; null is not known: an order of another program, or reserved before the first entry that
    was read, or by an earlier version."""
    book_side: BookSide
    price_cc: int
    size_centi: int
    cost_micros: int
    """Price of the leg that was bought, times size."""
    fee_micros: int
    returned_micros: int
    """$1 for each pair that the fill closed; for a fill after the settlement the change of the payout."""
    realized_micros: int
    """Profit that the fill closed, before its fee."""


class SettlementLine(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement of a market; ``position_centi`` was held."""

    seq: int
    at_us: int
    ticker: str
    settlement_cc: int
    position_centi: int
    payout_micros: int
    realized_micros: int


class FlowLine(msgspec.Struct, frozen=True, kw_only=True):
    """Money that came in or went out other than by trading; ``kind`` is ``opening`` or that of an adjustment."""

    seq: int
    at_us: int
    kind: str
    amount_micros: int
    reason: str
    flow_id: str


class HoldLine(msgspec.Struct, frozen=True, kw_only=True):
    """A trading hold that was placed (``mode``) or released (null)."""

    seq: int
    at_us: int
    name: str
    mode: str | None
    owner: str


class ProfitLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one market, one model or all earned on the day. ``name`` null: the model is not known."""

    name: str | None
    fills: int
    settlements: int
    size_centi: int
    realized_micros: int
    """Of closed pairs and payouts, at average cost, before fees."""
    fees_micros: int

    @property
    def net_micros(self) -> int:
        return self.realized_micros - self.fees_micros


class PositionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A position at the end of the day."""

    ticker: str
    position_centi: int
    cost_micros: int
    value_micros: int | None = None


class Conservation(msgspec.Struct, frozen=True, kw_only=True):
    """Opening + flows − costs − fees + returned = closing, of cash with reservations; ``error_micros`` is 0."""

    opening_micros: int
    flows_micros: int
    costs_micros: int
    fees_micros: int
    returned_micros: int
    """Pairs and payouts."""
    closing_micros: int
    error_micros: int
    errors_of_totals: Mapping[str, int]
    """By name: what a total of the account differs by from the sum of its parts."""

    @property
    def holds(self) -> bool:
        return self.error_micros == 0 and not self.errors_of_totals


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The comparisons with the exchange, and the trading holds, as the journal has them."""

    comparisons: int
    """Complete rounds of the reconciler that agreed or found what is listed here."""
    last_us: int | None
    discrepancies: int
    """How often the hold ``difference`` was placed."""
    unreadable: int
    """How often a market was held for an unreadable item of the exchange."""
    contradictions: int
    """How often a report contradicted a recorded one."""
    residues_micros: int
    """Differences that were recorded as residue or rounding."""
    holds: tuple[HoldLine, ...]
    in_force: tuple[str, ...]
    """Names of the holds at the end of the day."""


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the journal that the statement follows from."""

    ledger_id: str
    first_seq: int
    """The first entry of the day; 0: it has none."""
    last_seq: int
    """The last entry at the end of the day."""
    head: str | None
    """The hash of that entry: it names the complete history up to it."""
    read_from_seq: int
    """The first entry that was read and checked, from the anchor before it on."""
    unhashed: int
    """Entries among them without a hash: an earlier version copied them."""
    is_verified: bool
    """Every entry that was read carries the hash of the one before, and has the result that the rules give."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One day of one account."""

    account: str
    period: Period
    made_us: int
    is_final: bool
    """The day was over when the statement was made."""
    traded: bool
    notes: tuple[str, ...]
    """What limits the statement: entries that the journal no longer has, values that are not known."""
    opening: Balances
    closing: Balances
    profit: ProfitLine
    markets: tuple[ProfitLine, ...]
    models: tuple[ProfitLine, ...]
    """Each with the profit of its own fills; where models closed positions of each other, the profit of that is the
    line ``between models``, so that the sum is that of the account."""
    positions: tuple[PositionLine, ...]
    fills: tuple[FillLine, ...]
    settlements: tuple[SettlementLine, ...]
    flows: tuple[FlowLine, ...]
    conservation: Conservation
    reconciliation: Reconciliation
    journal: JournalRecord
