"""Makes a day's statement from the entries of the journal, by the ledger's own rules.

An entry belongs to the day of the journal's clock: the highest time that any entry up to it names. The day is therefore
a section of the journal, whose last entry has the head that the statement names. A report that arrives late belongs to
the day on which it was recorded.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.ledger.exchange_reports import OPENED, RECONCILED, SWEPT
from truebook.ledger.journal.chain import HashChain
from truebook.ledger.outcomes import AdjustKind, hold_without_scope
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules.ledger import Ledger, replay_entry, verb_of
from truebook.ledger.rules.state import LedgerState
from truebook.ledger.trading_holds import CONFLICTING_REPORT, DIFFERENCE, UNREADABLE
from truebook.ledger.valuation import held_markets, position_cost
from truebook.ledger.verbs import (
    Adjust,
    AdvanceWatermark,
    Hold,
    MarkEquity,
    OpenAccount,
    Release,
    SettleMarket,
    Verb,
    time_of,
)
from truebook.statement.records import (
    OPENING,
    Balances,
    Conservation,
    FillLine,
    FlowLine,
    HoldLine,
    JournalRecord,
    Period,
    PositionLine,
    ProfitLine,
    Reconciliation,
    SettlementLine,
    Statement,
)
from truebook.statement.trading import (
    BETWEEN_MODELS,
    AppliedFill,
    Attribution,
    Before,
    Profits,
    ProfitSums,
    add_fill,
    before,
    settle,
)

_TRIM: Final = 1000
RESIDUES: Final = frozenset({AdjustKind.RESIDUE, AdjustKind.ROUNDING})


class NotCovered(ValueError):
    """The journal has no entry of that day, or none any more."""


def clock_of(state: LedgerState) -> int:
    """Return the journal's clock of a saved state: the highest time that it has kept."""
    return max(state.clock_us, *(state.watermarks.get(name, 0) for name in (OPENED, SWEPT, RECONCILED)))


class _Mark(msgspec.Struct, frozen=True):
    equity_micros: int
    value_micros: int | None
    at_us: int | None


class StatementFold:
    """Add the entries in order until ``add`` returns False, then ``finish``."""

    def __init__(self, period: Period, ledger: Ledger, head: str = "") -> None:
        """``ledger`` is an anchor's, or empty; it is changed. ``head`` is the hash of its last entry."""
        self._period = period
        self._ledger = ledger
        self._hashes = HashChain(head)
        self._begin_seq = ledger.seq
        self._clock_us = clock_of(ledger.state)
        self._is_late_start = ledger.seq > 0 and self._clock_us >= period.from_us
        self._attribution = Attribution(ledger.state)
        marks = ledger.state.marks
        self._mark = None if marks is None else _Mark(self._deposits + marks.last_micros, None, None)
        self._opening: Balances | None = None
        self._first_seq = 0
        self._fills: list[FillLine] = []
        self._settlements: list[SettlementLine] = []
        self._flows: list[FlowLine] = []
        self._holds: list[HoldLine] = []
        self._markets, self._models = Profits(), Profits()
        self._comparisons, self._last_us = 0, 0
        self._is_closed = False
        """Whether the journal has an entry of a later day: no further one can belong to this day."""
        if self._is_late_start:
            self._open()

    @property
    def _deposits(self) -> int:
        return self._ledger.state.totals.deposits_micros

    def add(self, entry: JournalEntry) -> bool:
        """Add the next entry; False: it belongs to a later day and was not added.

        Raises ChainBroken, and StoreCorrupt if its result is not what the rules return.
        """
        verb = verb_of(entry)
        clock_us = max(self._clock_us, time_of(verb))
        if clock_us >= self._period.to_us:
            self._is_closed = True
            return False
        self._hashes.add(entry)
        if clock_us >= self._period.from_us and self._opening is None:
            self._open()
        self._clock_us = clock_us
        if self._opening is not None:
            self._first_seq = self._first_seq or entry.seq
        state = self._ledger.state
        earlier = before(state, verb)
        replay_entry(self._ledger, entry, verb)
        self._attribution.note(verb, entry.result, state)
        for fill in self._attribution.applied(verb, entry.result, earlier, state):
            self._add_fill(entry.seq, fill, earlier)
        if isinstance(verb, SettleMarket) and entry.result == "settled":
            self._add_settlement(entry.seq, verb, earlier)
        if isinstance(verb, MarkEquity):
            equity_micros = self._deposits + verb.profit_micros
            owned_micros = self._ledger.account().owned_micros
            self._mark = _Mark(equity_micros, equity_micros - owned_micros, self._clock_us)
        if self._opening is not None:
            self._add_record(entry, verb)
        if entry.seq % _TRIM == 0:
            self._ledger.trim_journal(entry.seq)
        return True

    def _open(self) -> None:
        self._opening = self._balances()

    def _add_fill(self, seq: int, applied: AppliedFill, earlier: Before) -> None:
        assert earlier.market is not None, "a fill has a market"
        state, fill = self._ledger.state, applied.fill
        order_id = state.exchange_ids.get(applied.exchange_order_id, "")
        ticker, model = earlier.market.ticker, self._attribution.model_of(order_id)
        change = add_fill(earlier.market, fill)
        of_model = self._attribution.fill(ticker, model, fill, earlier.market.settlement_cc)
        if self._opening is None:
            return
        self._markets.add(ticker, change.realized_micros, fill)
        self._models.add(model, of_model.realized_micros, fill)
        at_us = applied.exchange_us or None
        self._fills.append(
            FillLine(
                seq=seq, at_us=at_us, recorded_us=self._clock_us,
                is_late=at_us is not None and at_us < self._period.from_us, ticker=ticker, trade_id=applied.trade_id,
                exchange_order_id=applied.exchange_order_id, order_id=order_id, model=model, book_side=fill.book_side,
                price_cc=fill.price_cc, size_centi=fill.size_centi, cost_micros=change.cost_micros,
                fee_micros=fill.fee_micros, returned_micros=change.returned_micros,
                realized_micros=change.realized_micros,
            )
        )  # fmt: skip

    def _add_settlement(self, seq: int, verb: SettleMarket, earlier: Before) -> None:
        assert earlier.market is not None, "a settlement has a market"
        position_centi = earlier.market.position_centi
        change = settle(earlier.market, verb.settlement_cc)
        of_models = self._attribution.settle(verb.ticker, verb.settlement_cc)
        if self._opening is None:
            return
        self._markets.add(verb.ticker, change.realized_micros, settled=1)
        for model, of_model in of_models.items():
            self._models.add(model, of_model.realized_micros, settled=1)
        self._settlements.append(
            SettlementLine(
                seq=seq, at_us=self._clock_us, ticker=verb.ticker, settlement_cc=verb.settlement_cc,
                position_centi=position_centi, payout_micros=change.returned_micros,
                realized_micros=change.realized_micros,
            )
        )  # fmt: skip

    def _add_record(self, entry: JournalEntry, verb: Verb[object]) -> None:
        """Add the line of an opening, an adjustment, a hold or a comparison."""
        seq, at_us = entry.seq, self._clock_us
        if isinstance(verb, OpenAccount):
            amount_micros = verb.balance_micros + sum(shard.balance_micros for shard in verb.shards)
            adopted_micros = sum(adopted.cost_micros for adopted in verb.positions)
            reason = f"{len(verb.positions)} positions adopted at a cost of {adopted_micros} micro-dollars"
            self._flows.append(
                FlowLine(seq=seq, at_us=at_us, kind=OPENING, amount_micros=amount_micros, flow_id="",
                         reason=reason if verb.positions else "the exchange's balance")
            )  # fmt: skip
        elif isinstance(verb, Adjust):
            self._flows.append(
                FlowLine(seq=seq, at_us=at_us, kind=verb.kind, amount_micros=verb.amount_micros, reason=verb.reason,
                         flow_id=verb.adjust_id)
            )  # fmt: skip
        elif isinstance(verb, Hold):
            self._holds.append(HoldLine(seq=seq, at_us=at_us, name=verb.name, mode=str(verb.mode), owner=verb.owner))
        elif isinstance(verb, Release):
            self._holds.append(HoldLine(seq=seq, at_us=at_us, name=verb.name, mode=None, owner=verb.owner))
        elif isinstance(verb, AdvanceWatermark) and verb.name == RECONCILED:
            self._comparisons += 1
            self._last_us = at_us

    def _balances(self) -> Balances:
        view = self._ledger.view()
        account = view.account
        costs = sum(position_cost(market) for market in view.markets)
        value, equity, at_us = None, None, None
        if not held_markets(view):
            value, equity, at_us = 0, account.owned_micros, self._clock_us or None
        elif self._mark is not None:
            value, equity, at_us = self._mark.value_micros, self._mark.equity_micros, self._mark.at_us
        return Balances(
            seq=account.ledger_seq, cash_micros=account.cash_micros, reserved_micros=account.reserved_micros,
            in_transit_micros=account.in_transit_micros, overdrawn_micros=account.overdrawn_micros,
            position_cost_micros=costs, position_value_micros=value, equity_micros=equity, valued_us=at_us,
        )  # fmt: skip

    def finish(self, account: str, made_us: int) -> Statement:
        """Return the statement of the entries that were added; raises NotCovered without any before its end."""
        if self._ledger.seq == 0:
            raise NotCovered(f"the journal has no entry before the end of {self._period.day}: nothing had run yet")
        opening = self._opening or self._balances()
        closing = self._balances()
        models = [_profit_line(name, sums) for name, sums in self._models.items()]
        between_micros = self._markets.realized_micros - self._models.realized_micros
        if between_micros:
            models.append(_profit_line(BETWEEN_MODELS, ProfitSums(realized_micros=between_micros)))
        markets = tuple(_profit_line(name, sums) for name, sums in self._markets.items())
        return Statement(
            account=account, period=self._period, made_us=made_us, is_final=made_us >= self._period.to_us,
            traded=bool(self._fills or self._settlements), notes=self._notes(made_us), opening=opening, closing=closing,
            profit=_sum_of(markets), markets=markets, models=tuple(models), positions=self._positions(),
            fills=tuple(self._fills), settlements=tuple(self._settlements), flows=tuple(self._flows),
            conservation=self._conservation(opening, closing), reconciliation=self._reconciliation(),
            journal=self._journal(),
        )  # fmt: skip

    def _notes(self, made_us: int) -> tuple[str, ...]:
        notes = []
        if made_us >= self._period.to_us and not self._is_closed:
            notes.append(
                "The journal has no entry of a later day yet: entries that are not copied yet may belong to this one."
            )
        if self._is_late_start:
            notes.append(
                f"The journal no longer has the entries before {self._begin_seq + 1}: the statement begins with that "
                "entry, not with the day."
            )
        if self._hashes.unhashed:
            notes.append(f"{self._hashes.unhashed} entries were copied by an earlier version, without a hash.")
        late = sum(fill.is_late for fill in self._fills)
        if late:
            notes.append(f"{late} fills were traded on an earlier day and recorded on this one.")
        return tuple(notes)

    def _positions(self) -> tuple[PositionLine, ...]:
        return tuple(
            PositionLine(
                ticker=market.ticker, position_centi=market.position_centi, cost_micros=position_cost(market)
            )
            for market in held_markets(self._ledger.view()).values()
        )  # fmt: skip

    def _conservation(self, opening: Balances, closing: Balances) -> Conservation:
        flows = sum(flow.amount_micros for flow in self._flows)
        costs = sum(fill.cost_micros for fill in self._fills)
        fees = sum(fill.fee_micros for fill in self._fills)
        returned = sum(fill.returned_micros for fill in self._fills)
        returned += sum(settlement.payout_micros for settlement in self._settlements)
        expected = opening.owned_micros + flows - costs - fees + returned
        return Conservation(
            opening_micros=opening.owned_micros, flows_micros=flows, costs_micros=costs, fees_micros=fees,
            returned_micros=returned, closing_micros=closing.owned_micros,
            error_micros=closing.owned_micros - expected, errors_of_totals=self._ledger.view().errors_of_totals,
        )  # fmt: skip

    def _reconciliation(self) -> Reconciliation:
        placed = [hold_without_scope(hold.name) for hold in self._holds if hold.mode is not None]
        return Reconciliation(
            comparisons=self._comparisons, last_us=self._last_us or None,
            discrepancies=placed.count(DIFFERENCE.name), unreadable=placed.count(UNREADABLE.name),
            contradictions=placed.count(CONFLICTING_REPORT.name),
            residues_micros=sum(flow.amount_micros for flow in self._flows if flow.kind in RESIDUES),
            holds=tuple(self._holds), in_force=tuple(sorted(self._ledger.state.holds)),
        )  # fmt: skip

    def _journal(self) -> JournalRecord:
        return JournalRecord(
            ledger_id=self._ledger.ledger_id, first_seq=self._first_seq, last_seq=self._ledger.seq,
            head=self._hashes.head or None, read_from_seq=self._begin_seq + 1, unhashed=self._hashes.unhashed,
            is_verified=bool(self._hashes.head) and not self._hashes.unhashed,
        )  # fmt: skip


def _profit_line(name: str | None, sums: ProfitSums) -> ProfitLine:
    return ProfitLine(
        name=name, fills=sums.fills, settlements=sums.settlements, size_centi=sums.size_centi,
        realized_micros=sums.realized_micros, fees_micros=sums.fees_micros,
    )  # fmt: skip


def _sum_of(lines: tuple[ProfitLine, ...]) -> ProfitLine:
    return ProfitLine(
        name=None, fills=sum(line.fills for line in lines), settlements=sum(line.settlements for line in lines),
        size_centi=sum(line.size_centi for line in lines),
        realized_micros=sum(line.realized_micros for line in lines),
        fees_micros=sum(line.fees_micros for line in lines),
    )  # fmt: skip
