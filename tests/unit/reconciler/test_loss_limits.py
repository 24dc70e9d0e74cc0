"""Daily loss and drawdown, measured on the marked equity: they end in a hold that only an operator releases."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.account_harness import BALANCE, AccountHarness, listening
from support.in_memory_rest import Shown
from support.services import Running, until
from truebook.clock import ManualClock
from truebook.kalshi.port import ExchangeError, NotFound, OutcomeUnknown, Refused
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.port import Marks
from truebook.ledger.rules.loss_limits import advanced
from truebook.ledger.trading_holds import DAILY_LOSS, DRAWDOWN
from truebook.ledger.valuation import trading_day, without_orders
from truebook.ledger.verbs import Adjust, Limits
from truebook.messages.envelope import BookSide, Source
from truebook_services.operator.holds import resume_trading
from truebook_services.reconciler.settings import ReconcilerSettings

SETTINGS = ReconcilerSettings(mark_s=1.0, day_zone="UTC")
DAY_US = 86_400_000_000
LONG = 10 * DAY_US


async def holding(rig: AccountHarness, limits: Limits, *, source: Source = Source.SIMULATED) -> Running:
    """Buy 10 contracts at $0.80 beside a bid of $0.80, then mark once: the account has lost nothing yet but the fee."""
    rig.exchange.add_market("M", close_us=rig.clock.now_us() + LONG)
    await rig.ledger.apply(limits)
    await rig.open()
    await listening(rig)
    running = await rig.reconcile(SETTINGS, source=source)
    await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")
    rig.exchange.change_level("M", BookSide.BID, 8_000, 5_000)
    await rig.place(BookSide.BID, 8_100, 1_000)
    rig.exchange.trade("M", BookSide.ASK, 8_100, 1_000)
    await rig.wait_for_position(1_000)
    await rig.pass_s(2)
    return running


def marks_of(rig: AccountHarness) -> Marks:
    marks = rig.ledger.ledger.account().marks
    assert marks is not None
    return marks


async def fall(rig: AccountHarness, to_cc: int) -> None:
    """Let the best bid fall."""
    rig.exchange.change_level("M", BookSide.BID, 8_000, -5_000)
    rig.exchange.change_level("M", BookSide.BID, to_cc, 5_000)
    await rig.pass_s(2)


@pytest.mark.parametrize(
    ("limits", "hold"),
    [
        (Limits(daily_loss_micros=3_000_000), DAILY_LOSS),
        (Limits(drawdown_micros=3_000_000), DRAWDOWN),
    ],
)
async def test_a_loss_beyond_the_limit_stops_trading(limits: Limits, hold) -> None:
    async with AccountHarness() as rig:
        await holding(rig, limits)
        assert rig.holds() == set()
        await fall(rig, 5_000)
        assert rig.holds() == {hold.name}
        assert (await rig.view()).account.mode == "flattening"


async def test_a_loss_below_the_limit_changes_nothing() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000, drawdown_micros=3_000_000))
        await fall(rig, 5_600)
        assert rig.holds() == set()
        fees_micros = (await rig.view()).account.fees_micros
        assert marks_of(rig).daily_loss_micros == 1_000 * (8_100 - 5_600) + fees_micros


async def test_a_deposit_does_not_hide_a_loss() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000, drawdown_micros=3_000_000))
        await rig.exchange.transfer("d", 100_000_000)
        await rig.ledger.apply(
            Adjust(adjust_id="d", amount_micros=100_000_000, kind=AdjustKind.DEPOSIT, reason="operator")
        )
        await fall(rig, 5_000)
        assert rig.holds() == {"daily_loss", "drawdown"}


async def test_a_withdrawal_is_no_loss() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000, drawdown_micros=3_000_000))
        await rig.exchange.transfer("w", -100_000_000)
        await rig.ledger.apply(
            Adjust(adjust_id="w", amount_micros=-100_000_000, kind=AdjustKind.DEPOSIT, reason="operator")
        )
        await rig.pass_s(5)
        assert rig.holds() == set()


async def test_peak_and_day_survive_a_restart() -> None:
    async with AccountHarness() as rig:
        running = await holding(rig, Limits(daily_loss_micros=3_000_000, drawdown_micros=3_000_000))
        before = marks_of(rig)
        await running.stop()
        rig.exchange.change_level("M", BookSide.BID, 8_000, -5_000)
        rig.exchange.change_level("M", BookSide.BID, 5_000, 5_000)
        await rig.reconcile(SETTINGS)
        await until(lambda: "reconciliation" not in rig.holds(), "the reconciliation of the restart")
        await rig.pass_s(2)
        assert rig.holds() == {"daily_loss", "drawdown"}
        assert (marks_of(rig).peak_micros, marks_of(rig).day_start_micros) == (
            before.peak_micros, before.day_start_micros,
        )  # fmt: skip


async def test_only_resume_by_name_ends_the_hold() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000))
        await fall(rig, 5_000)
        rig.exchange.change_level("M", BookSide.BID, 7_900, 5_000)
        await rig.pass_s(5)
        await resume_trading(rig.ledger)
        assert rig.holds() == {"daily_loss"}, "neither a recovery nor a plain resume"
        await resume_trading(rig.ledger, "daily_loss")
        await rig.pass_s(5)
        assert rig.holds() == set()


async def test_after_a_resume_the_loss_counts_from_there() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000))
        await fall(rig, 5_000)
        await resume_trading(rig.ledger, "daily_loss")
        await rig.pass_s(5)
        assert rig.holds() == set()
        assert marks_of(rig).daily_loss_micros == 0


async def test_without_a_limit_nothing_is_marked() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits())
        await fall(rig, 100)
        assert rig.holds() == set()
        assert rig.ledger.ledger.account().marks is None


async def test_an_ended_market_keeps_its_last_value_until_its_outcome() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=3_000_000))
        rig.exchange.views[Shown.MARKETS] = lambda shown: []
        await rig.pass_s(3)
        assert rig.holds() == set(), "no book any more, and no outcome yet"
        del rig.exchange.views[Shown.MARKETS]
        rig.exchange.determine("M", 0)
        await rig.pass_s(3)
        assert rig.holds() >= {"daily_loss"}


async def test_a_position_that_was_never_valued_is_not_marked() -> None:
    """A restart without a book: the value is not assumed."""
    async with AccountHarness() as rig:
        running = await holding(rig, Limits(daily_loss_micros=3_000_000))
        before = marks_of(rig)
        await running.stop()
        rig.exchange.views[Shown.MARKETS] = lambda shown: []
        await rig.reconcile(SETTINGS)
        await until(lambda: "reconciliation" not in rig.holds(), "the reconciliation of the restart")
        await rig.pass_s(2)
        assert rig.holds() == set()
        assert marks_of(rig) == before


@pytest.mark.parametrize("known_before", [True, False])
async def test_an_unknown_value_hides_no_later_loss(known_before: bool) -> None:
    """Worth nothing would be the start of the day, or the last mark before it: no later loss would exceed it."""
    limits = Limits(daily_loss_micros=3_000_000)
    async with AccountHarness() as rig:
        running = await holding(rig, limits if known_before else Limits())
        await running.stop()
        await rig.ledger.apply(limits)
        rig.exchange.views[Shown.MARKETS] = lambda shown: []
        await rig.reconcile(SETTINGS)
        await until(lambda: "reconciliation" not in rig.holds(), "the reconciliation of the restart")
        await rig.pass_s(2)
        del rig.exchange.views[Shown.MARKETS]
        await rig.pass_s(2)
        assert rig.holds() == set()
        await fall(rig, 4_900)
        assert rig.holds() == {"daily_loss"}


@pytest.mark.parametrize("error", [NotFound(404, "not_found"), Refused(401, "unauthorized"), OutcomeUnknown("lost")])
async def test_a_failed_read_of_a_book_ends_nothing(error: ExchangeError) -> None:
    async with AccountHarness() as rig:
        running = await holding(rig, Limits(daily_loss_micros=3_000_000))
        rig.exchange.fail("book", *[error] * 2)
        await rig.pass_s(6)
        assert not running.task.done() and rig.holds() == set()
        await fall(rig, 5_000)
        await rig.pass_s(3)
        assert rig.holds() == {"daily_loss"}


async def test_own_orders_do_not_value_a_position() -> None:
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=BALANCE))
        order_id, _ = await rig.place(BookSide.BID, 7_000, 2_000)
        await rig.pass_s(2)
        order = await rig.ledger.order(order_id)
        assert order is not None and order.exchange_order_id is not None
        levels = ((8_000, 300), (7_000, 2_500))
        assert without_orders(levels, [order], BookSide.BID) == ((8_000, 300), (7_000, 500))
        assert without_orders(levels, [order], BookSide.ASK) == levels


@pytest.mark.parametrize(("source", "value_cc"), [(Source.SIMULATED, 0), (Source.CAPTURE, 8_000)])
async def test_own_orders_are_left_out_of_books_that_contain_them(source: Source, value_cc: int) -> None:
    """The one bid has the size of our order: it is ours on a simulated exchange, another's in a recorded book."""
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=BALANCE), source=source)
        await rig.place(BookSide.BID, 8_000, 1_000)
        await fall(rig, 5_000)
        rig.exchange.change_level("M", BookSide.BID, 5_000, -5_000)
        await rig.pass_s(2)
        fees_micros = (await rig.view()).account.fees_micros
        assert marks_of(rig).last_micros == 1_000 * (value_cc - 8_100) - fees_micros


@pytest.mark.parametrize(("source", "value_cc"), [(Source.PRODUCTION, 0), (Source.CAPTURE, 5_000)])
async def test_a_recorded_book_without_a_level_marks_no_loss(source: Source, value_cc: int) -> None:
    """After a gap it is not seen, and the last one counts; on an exchange there is no buyer."""
    async with AccountHarness() as rig:
        await holding(rig, Limits(daily_loss_micros=BALANCE), source=source)
        await fall(rig, 5_000)
        rig.exchange.change_level("M", BookSide.BID, 5_000, -5_000)
        await rig.pass_s(2)
        fees_micros = (await rig.view()).account.fees_micros
        assert marks_of(rig).last_micros == 1_000 * (value_cc - 8_100) - fees_micros


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


def test_the_day_begins_at_midnight_of_the_exchange() -> None:
    new_york = ZoneInfo("America/New_York")
    winter = [trading_day(us(at), new_york) for at in ("2026-12-01T04:59:59", "2026-12-01T05:00:00")]
    summer = [trading_day(us(at), new_york) for at in ("2026-07-01T03:59:59", "2026-07-01T04:00:00")]
    assert [winter[1] - winter[0], summer[1] - summer[0]] == [1, 1]
    switch = [trading_day(us(at), new_york) for at in ("2026-11-01T04:00:00", "2026-11-02T04:59:59")]
    assert switch[0] == switch[1], "a day of 25 hours"


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        ReconcilerSettings(day_zone="America/Newyork")


profits = st.integers(-(10**12), 10**12)


@given(st.lists(st.tuples(st.integers(1, 5), profits), min_size=1, max_size=30))
def test_the_peak_and_the_start_follow_from_all_marks(given_marks: list[tuple[int, int]]) -> None:
    marks: Marks | None = None
    day, start, last = 0, 0, 0
    for mark_day, profit in given_marks:
        if marks is None:
            start = profit
        elif mark_day > day:
            start = last
        day, last = max(day, mark_day), profit
        marks = advanced(marks, mark_day, profit)
        assert advanced(marks, mark_day, profit) == marks, "a repeated mark changes nothing"
    assert marks == Marks(
        day=day, day_start_micros=start, peak_micros=max(profit for _, profit in given_marks), last_micros=last
    )


def test_a_clock_in_the_past_changes_no_day() -> None:
    clock = ManualClock()
    today = trading_day(clock.now_us(), ZoneInfo("UTC"))
    marks = advanced(advanced(None, today, 100), today - 1, 50)
    assert (marks.day, marks.day_start_micros) == (today, 100)
