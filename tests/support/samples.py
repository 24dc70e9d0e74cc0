"""One sample of each message type, with a distinct value in every field."""

from __future__ import annotations

from typing import Any

from truebook.messages.accounts import AccountReported
from truebook.messages.actions import Action, OmittedSides, Target
from truebook.messages.book_states import BookState
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide, Message, Source, TimeInForce
from truebook.messages.fills import FillRecorded, MarketSettled, OrderUpdated, ReportOutcome
from truebook.messages.journal import JournalRecorded
from truebook.messages.market_metadata import FeeType, MarketMetadata, MarketStatus, PriceRange
from truebook.messages.markets import Exclusion, MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted, RefusalsCounted
from truebook.messages.services import ServiceReported
from truebook.messages.signals import Signal

TICKER = "KXHIGHNY-26NOV24-B51.5"
NOW_US = 1_795_000_000_000_000


def envelope(**changes: Any) -> dict[str, Any]:
    """The fields that every message has."""
    return {
        "id": "0123456789abcdef0123456789abcdef", "cause_id": "fedcba9876543210fedcba9876543210",
        "account": "sim-main", "strategy": "main", "ticker": TICKER, "source": Source.SIMULATED,
        "exchange_us": NOW_US, "produced_us": NOW_US + 1_500, **changes,
    }  # fmt: skip


def book(**changes: Any) -> dict[str, Any]:
    """The fields that every message about a book has."""
    return envelope(
        epoch=7, version=42, confirmed_us=NOW_US - 10, frame_us=123_456, event_yes_sum_cc=10_150,
        event_yes_sum_age_us=2_000, **changes,
    )  # fmt: skip


def action(**changes: Any) -> Action:
    """An action with both targets, or with ``changes``."""
    fields = envelope(
        observation_id="aa", model="maker", model_sha256="bb", fair_ppm=481_250, omitted_sides=OmittedSides.CANCEL,
        deadline_us=NOW_US + 2_000_000, confirmed_us=NOW_US - 10, frame_us=123_456, reference_cc=4_750,
        best_bid_cc=4_700, best_ask_cc=4_800, edge_cc=120, event="KXHIGHNY-26NOV24", exclusive=True,
        fee_rate_ppm=70_000,
        targets=(
            Target(book_side=BookSide.BID, price_cc=4_600, size_centi=1_000, post_only=True),
            Target(
                book_side=BookSide.ASK, price_cc=4_900, size_centi=250, reduce_only=True,
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, expires_us=NOW_US + 60_000_000,
            ),
        ),
    )  # fmt: skip
    return Action(**(fields | changes))


def decisions_counted(**changes: Any) -> DecisionsCounted:
    """Four decisions that change nothing, or with ``changes``."""
    fields = envelope(
        cause_id="aa", model="maker", model_sha256="bb", since_us=NOW_US - 900_000, until_us=NOW_US,
        counts={Reason.NO_ACTION: 3, Reason.ONE_SIDED_BOOK: 1}, reason=Reason.NO_ACTION,
    )  # fmt: skip
    return DecisionsCounted(**(fields | changes))


def service_report(**changes: Any) -> ServiceReported:
    """A report of an execution that waits for the exchange, or with ``changes``."""
    fields = envelope(
        ticker="", cause_id="", exchange_us=None, service="execution", instance="host-7", version="1.2.3",
        started_us=NOW_US - 60_000_000, valid_us=NOW_US + 15_000_000, not_ready=("execution.resolve: no response",),
        standby=False, stopped=False, lag={"actions": 3}, gauges={"open_breakers": 2, "rate_budget_ppm": 750_000},
        model="maker", model_sha256="bb",
    )  # fmt: skip
    return ServiceReported(**(fields | changes))


def account_report(**changes: Any) -> AccountReported:
    """A report of an account with a position, or with ``changes``."""
    fields = envelope(
        ticker="", cause_id="", exchange_us=None, ledger_seq=99, opened=True, mode="reduce_only",
        holds=("operator (halted, by operator)",), deposits_micros=1_000_000_000, cash_micros=980_000_000,
        overdrawn_micros=1, reserved_micros=5_000_000, position_cost_micros=14_000_000, positions=2, open_orders=4,
        equity_micros=999_500_000, valued_us=NOW_US - 2_000_000, realized_micros=250_000, unrealized_micros=-500_000,
        fees_micros=43_800, conservation_error_micros=-7, differences=("cash differs by 1",),
        compared_us=NOW_US - 3_000_000, true_since_us=NOW_US - 9_000_000, unknown_orders=1,
        unknown_since_us=NOW_US - 4_000_000, daily_loss_micros=750_000, drawdown_micros=800_000,
    )  # fmt: skip
    return AccountReported(**(fields | changes))


def samples() -> dict[str, Message]:
    """By topic and type: ``orderbook.book_delta`` and so on."""
    facts = MarketMetadata(
        ticker=TICKER, event="KXHIGHNY-26NOV24", series="KXHIGHNY", status=MarketStatus.ACTIVE,
        open_us=NOW_US - 3_600_000_000, close_us=NOW_US + 3_600_000_000,
        price_ranges=(PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10)),
        fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES, fee_multiplier_ppm=500_000, exclusive=True, binary=False,
        settlement_cc=10_000, volume_centi=123_400, strike=51.5, assumed=("fee_type",),
    )  # fmt: skip
    observation = Observation(
        **envelope(), layout="m1", layout_hash="c0ffee", features=(0.5, -1.0, 1e-09), book_epoch=7, book_version=42,
        confirmed_us=NOW_US - 10, frame_us=123_456, ledger_seq=99, signals_digest="5161", best_bid_cc=4_600,
        best_bid_centi=1_000, best_ask_cc=4_900, best_ask_centi=2_500, position_centi=-300, cash_micros=987_654_321,
        event="KXHIGHNY-26NOV24", exclusive=True, price_ranges=(PriceRange(0, 10_000, 100),),
        fee_type=FeeType.QUADRATIC, taker_rate_ppm=70_000, maker_rate_ppm=0, close_us=NOW_US + 3_600_000_000,
    )  # fmt: skip
    fill = FillRecorded(
        **envelope(), trade_id="t1", exchange_order_id="x1", client_order_id="tb1-aa", book_side=BookSide.ASK,
        price_cc=4_900, size_centi=250, fee_micros=43_800, is_taker=True, basis="synthetic",
        outcome=ReportOutcome.APPLIED,
    )  # fmt: skip
    order = OrderEvent(
        **envelope(), action_id="aa", client_order_id="tb1-aa", exchange_order_id="x1",
        outcome=OrderOutcome.REFUSED, reason=Reason.PRICE_COLLAR, detail="4900", book_side=BookSide.ASK,
        price_cc=4_900, size_centi=250, tick_to_send_us=1_234,
    )  # fmt: skip
    by_name: dict[str, Message] = {
        "markets.market_updated": MarketUpdated(
            **envelope(), metadata=facts, selected=False, exclusion=Exclusion.SPREAD
        ),
        "orderbook.book_snapshot": BookSnapshot(**book(), bids=((4_600, 1_000), (4_500, 1)), asks=((4_900, 2_500),)),
        "orderbook.book_delta": BookDelta(**book(), book_side=BookSide.BID, price_cc=4_600, size_centi=0),
        "orderbook.book_stale": BookStale(**book(exchange_us=None), reason=Reason.SEQUENCE_GAP),
        "orderbook.public_trade": PublicTrade(
            **book(), trade_id="t0", price_cc=4_800, size_centi=100, taker_side=BookSide.BID
        ),
        "book_states.book_state": BookState(
            **envelope(exchange_us=None), epoch=7, version=42, confirmed_us=NOW_US - 10, stale=Reason.SEQUENCE_GAP
        ),
        "observations.observation": observation,
        "actions.action": action(),
        "orders.order_event": order,
        "fills.fill_recorded": fill,
        "fills.order_updated": OrderUpdated(
            **envelope(), exchange_order_id="x1", client_order_id="tb1-aa", status="resting", filled_centi=100,
            remaining_centi=150, outcome="acknowledged",
        ),
        "fills.market_settled": MarketSettled(**envelope(), settlement_cc=10_000, outcome=ReportOutcome.SETTLED),
        "journal.journal_recorded": JournalRecorded(
            **envelope(), seq=17, ledger_id="aa55", verb="hold", arguments='{"name":"operator"}', result="held",
            previous_hash="0f" * 32,
        ),
        "refusals.refusals_counted": RefusalsCounted(
            **envelope(exchange_us=None), service="observation", since_us=NOW_US - 1_000_000, until_us=NOW_US,
            counts={Reason.STALE_BOOK: 3, Reason.ONE_SIDED_BOOK: 1},
        ),
        "refusals.decisions_counted": decisions_counted(),
        "signals.signal": Signal(
            **envelope(), name="forecast", value=51.25, as_of_us=NOW_US, valid_until_us=NOW_US + 60_000_000
        ),
        "dead_letters.dead_letter": DeadLetter(
            **envelope(), origin="orderbook", service="observation", reason=Reason.UNDECODABLE, detail="at 0",
            payload="{\u00e9",
        ),
        "services.service_reported": service_report(),
        "account.account_reported": account_report(),
    }  # fmt: skip
    return by_name
