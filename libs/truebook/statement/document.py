"""A statement as headings, lines and tables: what the terminal, the page and the PDF all show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from truebook.clock import MICROS
from truebook.messages.envelope import BookSide
from truebook.money import format_price
from truebook.statement.records import OPENING, Balances, ProfitLine, Statement
from truebook.statement.trading import BETWEEN_MODELS

NOT_KNOWN: Final = "not known"
SIDES: Final = {BookSide.BID: "buy YES", BookSide.ASK: "sell YES"}
NOT_VALUED: Final = (
    "The value of positions is not known: the journal has no mark of that time. Marks are recorded while a limit of "
    "losses is set; the statement of a day that is not over uses the books of now."
)


class Column(msgspec.Struct, frozen=True):
    """A column; numbers are aligned on the right. ``is_detail``: left out where there is little width."""

    name: str
    is_number: bool = False
    is_detail: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] | None = None
    """The last row, emphasized."""

    def without_details(self) -> Table:
        """Return the table without the columns that are details."""
        shown = [number for number, column in enumerate(self.columns) if not column.is_detail]

        def kept(row: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(row[number] for number in shown)

        return Table(
            columns=tuple(self.columns[number] for number in shown), rows=tuple(map(kept, self.rows)),
            total=None if self.total is None else kept(self.total),
        )  # fmt: skip


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One heading with sentences and a table; without rows ``empty`` is shown instead."""

    heading: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    empty: str = ""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A whole statement. ``checks`` are sentences with whether each is good."""

    title: str
    subtitle: str
    lines: tuple[str, ...]
    checks: tuple[tuple[bool, str], ...]
    sections: tuple[Section, ...]


def document_of(statement: Statement) -> Document:
    """Lay out a statement."""
    return Document(
        title=f"Statement of {statement.account}, {statement.period.day}",
        subtitle=_subtitle(statement), lines=tuple(_lines(statement)), checks=tuple(_checks(statement)),
        sections=(
            _balances(statement), _cash(statement), _profit("Profit by market", "market", statement.markets, statement),
            _profit("Profit by model", "model", statement.models, statement), _flows(statement), _positions(statement),
            _settlements(statement), _fills(statement), _comparison(statement), _journal(statement),
        ),
    )  # fmt: skip


def money(micros: int | None) -> str:
    """Format micro-dollars exactly, with thousands separated."""
    if micros is None:
        return NOT_KNOWN
    dollars, rest = divmod(abs(micros), MICROS)
    return f"{'-' if micros < 0 else ''}{dollars:,}.{rest:06d}"


def size(centi: int) -> str:
    """Format 1/100 contracts, with thousands separated."""
    contracts, rest = divmod(abs(centi), 100)
    return f"{'-' if centi < 0 else ''}{contracts:,}.{rest:02d}"


def _moment(at_us: int | None, statement: Statement) -> str:
    """Format a time in the statement's zone; with its date if that is not the statement's day."""
    if at_us is None:
        return NOT_KNOWN
    at = datetime.fromtimestamp(at_us // MICROS, ZoneInfo(statement.period.zone))
    clock = f"{at:%H:%M:%S}.{at_us % MICROS // 1000:03d}"
    return clock if at.date().isoformat() == statement.period.day else f"{at:%Y-%m-%d} {clock}"


def _subtitle(statement: Statement) -> str:
    period = statement.period
    made = _moment(statement.made_us, statement)
    until = f"made at {made}" if statement.is_final else f"not over: as of {made}"
    return f"From midnight to midnight in {period.zone}, {until}. Amounts in dollars."


def _lines(statement: Statement) -> Iterator[str]:
    if not statement.traded:
        yield "No trade on this day: no fill and no settlement."
    else:
        profit = statement.profit
        yield (
            f"{profit.fills:,} fills and {profit.settlements:,} settlements: net profit {money(profit.net_micros)} "
            f"(realized {money(profit.realized_micros)}, fees {money(profit.fees_micros)})."
        )
    yield from statement.notes


def _checks(statement: Statement) -> Iterator[tuple[bool, str]]:
    conservation, journal = statement.conservation, statement.journal
    if conservation.holds:
        yield True, "Conservation holds to the micro-dollar: the lines of the day add up to the closing cash."
    else:
        yield (
            False,
            f"Conservation is violated: by {money(conservation.error_micros)}, {conservation.errors_of_totals}.",
        )
    if journal.is_verified:
        yield (
            True,
            (
                f"The journal is verified from entry {journal.read_from_seq:,} to {journal.last_seq:,}: every hash and "
                "every result."
            ),
        )
    else:
        yield False, f"The hash chain does not cover all entries from {journal.read_from_seq:,} on."
    found = statement.reconciliation
    if found.discrepancies or found.unreadable or found.contradictions:
        yield (
            False,
            (
                f"Comparison with the exchange: {found.discrepancies} lasting differences, {found.unreadable} "
                f"unreadable items, {found.contradictions} contradictions."
            ),
        )
    elif found.comparisons:
        yield True, f"{found.comparisons:,} complete comparisons with the exchange, without a lasting difference."
    else:
        yield False, "No complete comparison with the exchange on this day."


def _balances(statement: Statement) -> Section:
    opening, closing = statement.opening, statement.closing

    def row(name: str, field: str) -> tuple[str, ...]:
        before, after = getattr(opening, field), getattr(closing, field)
        change = None if before is None or after is None else after - before
        return name, money(before), money(after), money(change)

    rows = [row("available cash", "cash_micros"), row("reserved for orders", "reserved_micros")]
    if opening.in_transit_micros or closing.in_transit_micros:
        rows.append(row("in transit between shards", "in_transit_micros"))
    if opening.overdrawn_micros or closing.overdrawn_micros:
        rows.append(row("overdrawn", "overdrawn_micros"))
    rows += [
        row("positions at cost", "position_cost_micros"), row("positions at value", "position_value_micros"),
    ]  # fmt: skip
    return Section(
        heading="Balances", lines=tuple(_valuation(statement, opening, closing)),
        table=Table(
            columns=(Column("balance"), Column("opening", True), Column("closing", True), Column("change", True)),
            rows=tuple(rows), total=row("equity", "equity_micros"),
        ),
    )  # fmt: skip


def _valuation(statement: Statement, opening: Balances, closing: Balances) -> Iterator[str]:
    named = [("opening", opening), ("closing", closing)]
    at = [f"{name} at {_moment(one.valued_us, statement)}" for name, one in named if one.valued_us is not None]
    if at:
        yield f"Positions valued: {', '.join(at)}."
    without_value = sum(position.value_micros is None for position in statement.positions)
    if closing.equity_micros is None and 0 < without_value < len(statement.positions):
        yield f"Positions without a book now: {without_value}. Their value, and so the equity, is not known."
    elif closing.equity_micros is None or opening.equity_micros is None:
        yield NOT_VALUED


def _cash(statement: Statement) -> Section:
    one = statement.conservation
    rows = (
        ("opening: cash and reservations", money(one.opening_micros)),
        ("+ deposits, withdrawals, interest, adjustments", money(one.flows_micros)),
        ("- contracts bought", money(-one.costs_micros)),
        ("- fees", money(-one.fees_micros)),
        ("+ closed pairs and payouts", money(one.returned_micros)),
        ("= expected", money(one.closing_micros - one.error_micros)),
        ("closing: cash and reservations", money(one.closing_micros)),
    )
    return Section(
        heading="Conservation check",
        table=Table(
            columns=(Column("line"), Column("amount", True)), rows=rows, total=("difference", money(one.error_micros))
        ),
    )  # fmt: skip


def _profit(heading: str, name: str, lines: Sequence[ProfitLine], statement: Statement) -> Section:
    columns = (
        Column(name), Column("fills", True), Column("contracts", True), Column("settlements", True),
        Column("realized", True), Column("fees", True), Column("net", True),
    )  # fmt: skip
    notes = []
    if any(line.name is None for line in lines):
        notes.append("A model is not known of orders that the journal's part has no reservation of.")
    if any(line.name == BETWEEN_MODELS for line in lines):
        notes.append("Between models: profit of positions that one model opened and another one closed.")
    return Section(
        heading=heading, lines=tuple(notes), empty="Nothing was traded.",
        table=Table(
            columns=columns, rows=tuple(_profit_row(line) for line in lines),
            total=_profit_row(msgspec.structs.replace(statement.profit, name="total")),
        ),
    )  # fmt: skip


def _profit_row(line: ProfitLine) -> tuple[str, ...]:
    return (
        NOT_KNOWN if line.name is None else line.name, f"{line.fills:,}", size(line.size_centi),
        f"{line.settlements:,}", money(line.realized_micros), money(line.fees_micros), money(line.net_micros),
    )  # fmt: skip


def _flows(statement: Statement) -> Section:
    rows = tuple(
        (f"{flow.seq}", _moment(flow.at_us, statement), _kind(flow.kind, flow.amount_micros),
         money(flow.amount_micros), flow.reason, flow.flow_id)
        for flow in statement.flows
    )  # fmt: skip
    columns = (
        Column("entry", True, True), Column("time"), Column("kind"), Column("amount", True), Column("reason"),
        Column("id", False, True),
    )  # fmt: skip
    total = ("", "", "total", money(sum(flow.amount_micros for flow in statement.flows)), "", "")
    return Section(
        heading="Deposits, withdrawals, interest, adjustments", empty="None.",
        table=Table(columns=columns, rows=rows, total=total),
    )  # fmt: skip


def _kind(kind: str, amount_micros: int) -> str:
    if kind == OPENING:
        return "opening of the account"
    return "withdrawal" if kind == "deposit" and amount_micros < 0 else kind


def _positions(statement: Statement) -> Section:
    rows = tuple(
        (one.ticker, size(one.position_centi), money(one.cost_micros), money(one.value_micros))
        for one in statement.positions
    )
    columns = (Column("market"), Column("contracts", True), Column("cost", True), Column("value", True))
    return Section(
        heading="Positions at the end", empty="None.",
        lines=("Negative: NO contracts.",) if any(one.position_centi < 0 for one in statement.positions) else (),
        table=Table(columns=columns, rows=rows),
    )  # fmt: skip


def _settlements(statement: Statement) -> Section:
    rows = tuple(
        (f"{one.seq}", _moment(one.at_us, statement), one.ticker, format_price(one.settlement_cc),
         size(one.position_centi), money(one.payout_micros), money(one.realized_micros))
        for one in statement.settlements
    )  # fmt: skip
    columns = (
        Column("entry", True, True), Column("recorded"), Column("market"), Column("value", True),
        Column("position", True), Column("payout", True), Column("realized", True),
    )  # fmt: skip
    return Section(heading="Settlements", empty="None.", table=Table(columns=columns, rows=rows))


def _fills(statement: Statement) -> Section:
    rows = tuple(
        (f"{one.seq}", _moment(one.at_us, statement), one.ticker, SIDES[one.book_side], format_price(one.price_cc),
         size(one.size_centi), money(one.cost_micros), money(one.fee_micros), money(one.returned_micros),
         money(one.realized_micros), one.model or NOT_KNOWN, one.order_id, one.trade_id)
        for one in statement.fills
    )  # fmt: skip
    columns = (
        Column("entry", True, True), Column("time"), Column("market"), Column("side"), Column("price", True),
        Column("size", True), Column("cost", True), Column("fee", True), Column("returned", True),
        Column("realized", True), Column("model"), Column("order", False, True), Column("trade", False, True),
    )  # fmt: skip
    return Section(heading="Fills", empty="None.", table=Table(columns=columns, rows=rows))


def _comparison(statement: Statement) -> Section:
    found = statement.reconciliation
    rows = tuple(
        (f"{hold.seq}", _moment(hold.at_us, statement), hold.name,
         "released" if hold.mode is None else f"placed: {hold.mode}", hold.owner)
        for hold in found.holds
    )  # fmt: skip
    in_force = ", ".join(found.in_force) or "none"
    return Section(
        heading="Comparison with the exchange, and trading holds",
        lines=(
            f"Complete comparisons: {found.comparisons:,}, the last one at {_moment(found.last_us, statement)}. "
            f"Lasting differences: {found.discrepancies}. Unreadable items: {found.unreadable}. "
            f"Contradictions: {found.contradictions}. Recorded as residue or rounding: {money(found.residues_micros)}.",
            f"Trading holds in force at the end: {in_force}.",
        ),
        empty="No trading hold was placed or released.",
        table=Table(
            columns=(Column("entry", True, True), Column("time"), Column("hold"), Column("change"), Column("owner")),
            rows=rows,
        ),
    )  # fmt: skip


def _journal(statement: Statement) -> Section:
    one = statement.journal
    day = f"{one.first_seq:,} to {one.last_seq:,}" if one.first_seq else "none"
    lines = [
        f"Entries of the day: {day}. History {one.ledger_id}.",
        f"Head after entry {one.last_seq:,}: {one.head or NOT_KNOWN}",
    ]
    if one.head:
        lines.append(f"To compare it later: truebook ledger verify --head {one.last_seq}:{one.head}")
    return Section(heading="Journal", lines=tuple(lines))
