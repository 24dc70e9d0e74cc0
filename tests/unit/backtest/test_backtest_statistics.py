"""Statistics of a pass, against values computed by hand."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.backtest_results import (
    ASK,
    BID,
    MINUTE_US,
    SECOND_US,
    START_US,
    fill,
    market,
    one_pass,
    order,
    point,
    result,
    with_profits,
)
from support.random_backtest import random_result
from truebook.backtest.analysis.attribution import by_hour, by_role, by_side, fill_profits, net_by_event
from truebook.backtest.analysis.curve import drawdown_of, exposure_of, profit_by_block
from truebook.backtest.analysis.execution_quality import fill_rates, mark_outs
from truebook.backtest.analysis.statistics import EVENT, TIME_BLOCK, statistics_of
from truebook.backtest.result import EquityPoint, PassResult
from truebook.simulation.events import Basis

HOUR_US = 60 * MINUTE_US


def two_fills() -> PassResult:
    """Ten YES at 40 cents as maker, four NO at 45 cents (YES sold at 55) as taker; settled at YES."""
    fills = (
        fill("A-1", BID, 4_000, 1_000),
        fill(
            "A-1", ASK, 5_500, 400, at_us=START_US + HOUR_US, is_taker=True, basis=Basis.BOOK_CROSS, fee_micros=70_000
        ),
    )
    # YES: 10 * (1.00 - 0.40) = 6.00; NO: 4 * (0.00 - 0.45) = -1.80
    settled = market(
        "A-1", outcome_cc=10_000, realized_micros=4_200_000, fees_micros=70_000, fills=2, turnover_micros=5_800_000
    )
    return one_pass(fills=fills, markets=(settled, market("B-1")))


def test_a_fill_earns_what_its_contracts_were_worth() -> None:
    assert [each.gross_micros for each in fill_profits(two_fills())] == [6_000_000, -1_800_000]


def test_equal_order_ids_of_two_accounts_are_two_orders() -> None:
    second_us = START_US + SECOND_US
    one = one_pass(
        orders=(order("o", 100, 100, ticker="A-1"), order("o", 100, 100, ticker="B-1", created_us=second_us)),
        fills=(fill("A-1", BID, 4_000, 100), fill("B-1", BID, 4_000, 100, at_us=second_us)),
    )
    assert [each.median_us for each in fill_rates(one)] == [0, 0, None, None]


def test_groups_add_up_to_the_profit() -> None:
    profits = fill_profits(two_fills())
    assert [(each.key, each.net_micros, each.turnover_micros) for each in by_side(profits)] == [
        ("NO bought", -1_870_000, 1_800_000), ("YES bought", 6_000_000, 4_000_000),
    ]  # fmt: skip
    assert [(each.key, each.fees_micros, each.size_centi) for each in by_role(profits)] == [
        ("maker", 0, 1_000), ("taker", 70_000, 400),
    ]  # fmt: skip
    assert [(each.key, each.gross_micros) for each in by_hour(profits)] == [
        ("14:00", 6_000_000), ("15:00", -1_800_000),
    ]  # fmt: skip


def test_a_pass_in_total() -> None:
    one = two_fills()
    found = statistics_of(result(one), one)
    assert (found.net_micros, found.gross_micros, found.unattributed_micros) == (4_130_000, 4_200_000, 0)
    assert (found.turnover_micros, found.turnover_ratio) == (5_800_000, 0.0058)
    assert found.return_ratio == 0.00413
    assert [each.ticker for each in found.markets] == ["A-1"]
    assert (found.significance.unit, found.significance.units, found.significance.interval) == (EVENT, 1, None)


def test_an_open_position_is_worth_its_sale_value() -> None:
    # Three YES bought at 40 cents for 1.20; their sale would bring 1.00: 33 1/3 cents each, which no integer is.
    open_market = market(
        "A-1", outcome_cc=None, position_centi=300, cost_micros=1_200_000, unrealized_micros=-200_000, fills=2
    )
    one = one_pass(fills=(fill("A-1", BID, 4_000, 100), fill("A-1", BID, 4_000, 200)), markets=(open_market,))
    assert [each.gross_micros for each in fill_profits(one)] == [-66_667, -133_333]


def test_a_short_position_is_valued_on_its_own_leg() -> None:
    # Two NO bought at 30 cents (YES sold at 70); a NO is worth 25 cents now.
    open_market = market(
        "A-1", outcome_cc=None, position_centi=-200, cost_micros=600_000, unrealized_micros=-100_000, fills=1
    )
    one = one_pass(fills=(fill("A-1", ASK, 7_000, 200),), markets=(open_market,))
    assert [each.gross_micros for each in fill_profits(one)] == [-100_000]


def test_a_closed_position_without_an_outcome_adds_up() -> None:
    closed = market("A-1", outcome_cc=None, realized_micros=50_000, fills=2)
    one = one_pass(fills=(fill("A-1", BID, 4_000, 100), fill("A-1", ASK, 4_500, 100)), markets=(closed,))
    assert sum(each.gross_micros for each in fill_profits(one)) == 50_000
    assert statistics_of(result(one), one).unattributed_micros == 0


def test_a_position_without_a_value_is_left_out_and_named() -> None:
    unknown = market(
        "A-1",
        outcome_cc=None,
        position_centi=100,
        cost_micros=400_000,
        unrealized_micros=None,
        fills=1,
        fees_micros=9_000,
    )
    known = market("B-1", realized_micros=-400_000, fees_micros=20_000, fills=1)
    fills = tuple(fill(ticker, BID, 4_000, 100, fee_micros=fee) for ticker, fee in (("A-1", 9_000), ("B-1", 20_000)))
    account = msgspec.structs.replace(one_pass().account, fees_micros=29_000)
    one = one_pass(fills=fills, markets=(unknown, known), account=account)
    found = statistics_of(result(one), one)
    assert (found.unvalued_markets, found.unattributed_micros) == (("A-1",), 0)
    assert (found.net_micros, found.gross_micros, found.fees_micros) == (-420_000, -400_000, 20_000)
    assert net_by_event(one.markets) == {"B": -420_000}


def test_an_event_counts_as_a_whole_or_not_at_all() -> None:
    unknown = market("A-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1, fees_micros=9_000)
    hedge = market("A-2", realized_micros=500_000, fees_micros=10_000, fills=1, turnover_micros=500_000)
    other = market("B-1", realized_micros=-400_000, fees_micros=20_000, fills=1)
    fills = (
        fill("A-1", BID, 4_000, 100, fee_micros=9_000), fill("A-2", BID, 5_000, 100, fee_micros=10_000),
        fill("B-1", BID, 4_000, 100, fee_micros=20_000),
    )  # fmt: skip
    one = one_pass(fills=fills, markets=(unknown, hedge, other))
    found = statistics_of(result(one), one)
    assert (found.unvalued_markets, found.left_out_markets) == (("A-1",), ("A-1", "A-2"))
    assert (found.net_micros, found.gross_micros, found.fees_micros) == (-420_000, -400_000, 20_000)
    assert sum(net_by_event(one.markets).values()) == found.net_micros, "what the interval is of"
    assert sum(each.net_micros for each in found.sides) == found.net_micros
    assert found.unattributed_micros == 0
    assert [(each.ticker, each.net_micros) for each in found.markets] == [
        ("A-1", None), ("A-2", 490_000), ("B-1", -420_000),
    ]  # fmt: skip


def test_fills_that_do_not_explain_the_profit_are_reported() -> None:
    wrong = market("A-1", outcome_cc=10_000, realized_micros=9_000_000, fills=1)
    one = one_pass(fills=(fill("A-1", BID, 4_000, 100),), markets=(wrong,))
    assert statistics_of(result(one), one).unattributed_micros == 9_000_000 - 600_000


def test_markets_of_one_event_are_one_draw() -> None:
    assert net_by_event(with_profits({"A-1": 500_000, "A-2": -300_000, "B-1": 100_000}).markets) == {
        "A": 200_000, "B": 100_000,
    }  # fmt: skip


def test_the_drawdown_is_the_largest_fall_below_a_peak() -> None:
    points = [point(after, equity) for after, equity in enumerate((100, 130, None, 90, 125, 140, 120, 138))]
    found = drawdown_of(points)
    assert found is not None
    assert (found.fall_micros, found.peak_micros) == (40, 130)
    assert (found.peak_us - START_US, found.trough_us - START_US, found.longest_us) == (1, 3, 4), "back after 1 to 5"
    assert drawdown_of([point(0, None)]) is None


@pytest.mark.parametrize(
    ("equity", "longest_us"), [((5, 5, 9), 0), ((5, 4, 5, 5), 2), ((9, 4, 5), 2), ((5, 7, 7, 6, 8, 1), 2)]
)
def test_the_time_below_a_peak_ends_at_the_recovery(equity: tuple[int, ...], longest_us: int) -> None:
    found = drawdown_of([point(after, micros) for after, micros in enumerate(equity)])
    assert found is not None
    assert found.longest_us == longest_us


def test_the_exposure_is_weighted_by_time() -> None:
    points = [
        point(0, 1, exposure_micros=100), point(30, 1, exposure_micros=400), point(40, 1, reserved_micros=70),
    ]  # fmt: skip
    found = exposure_of(points)
    assert (found.max_micros, found.mean_micros, found.max_reserved_micros) == (400, (3_000 + 4_000) // 40, 70)
    assert exposure_of([]).max_micros == 0


def test_blocks_of_time_add_up_to_the_change() -> None:
    span_us = 20 * MINUTE_US
    points = [point(0, 1_000), point(90 * SECOND_US, 1_300), point(10 * MINUTE_US, 900), point(span_us, 950)]
    blocks = profit_by_block(points, START_US, START_US + span_us)
    assert blocks is not None
    assert blocks.tolist() == [0, 300, *[0] * 7, -400, *[0] * 9, 50]
    after_the_end = [*points, point(span_us + SECOND_US, None), point(span_us + 2 * SECOND_US, 970)]
    settled = profit_by_block(after_the_end, START_US, START_US + span_us)
    assert settled is not None
    assert settled.tolist() == [*blocks.tolist()[:-1], 70]
    assert profit_by_block(points, START_US, START_US + 11 * MINUTE_US) is None, "too short"


def test_one_market_is_judged_by_blocks_of_time() -> None:
    points = tuple(point(minute * MINUTE_US, 1_000_000 + minute * 5_000 + minute % 3) for minute in range(61))
    one = one_pass(equity=points, markets=with_profits({"A-1": 300_000}).markets)
    found = statistics_of(result(one), one).significance
    assert (found.unit, found.units) == (TIME_BLOCK, 30)
    assert found.interval is not None
    assert found.interval.sign == 1


def rising(step_micros: int = 5_000) -> tuple[EquityPoint, ...]:
    return tuple(point(minute * MINUTE_US, 10**9 + minute * step_micros + minute % 3) for minute in range(61))


def test_many_events_that_hardly_differ_are_not_judged_by_blocks() -> None:
    wins = with_profits({f"E{number}-1": 1_000_000 for number in range(16)})
    one = msgspec.structs.replace(wins, equity=rising())
    found = statistics_of(result(one), one).significance
    assert (found.unit, found.units, found.interval) == (EVENT, 16, None)


def test_blocks_do_not_judge_a_profit_that_leaves_out_a_position() -> None:
    unknown = market("Z-1", outcome_cc=None, position_centi=100, cost_micros=400_000, unrealized_micros=None, fills=1)
    one = one_pass(equity=rising(), markets=(*with_profits({"A-1": 300_000}).markets, unknown))
    found = statistics_of(result(one), one).significance
    assert (found.unit, found.units, found.interval) == (EVENT, 1, None)


def test_fill_rates_by_orders_and_size() -> None:
    orders = (
        order("a", 1_000, 1_000, created_us=START_US), order("b", 1_000, 250, created_us=START_US),
        order("c", 1_000, 0), order("d", 500, 500, queue_ahead_centi=None, created_us=START_US),
    )  # fmt: skip
    fills = [
        fill("A-1", BID, 4_000, 500, order_id="a", at_us=START_US + 2_000),
        fill("A-1", BID, 4_000, 250, order_id="b", at_us=START_US + 9_000),
        fill("A-1", BID, 4_000, 500, order_id="a", at_us=START_US + 11_000),
        fill("A-1", BID, 4_000, 500, order_id="d", at_us=START_US),
    ]
    found = {each.kind: each for each in fill_rates(one_pass(orders=orders, fills=tuple(fills)))}
    rested = found["rested"]
    assert (rested.orders, rested.with_fill, rested.order_rate) == (3, 2, 2 / 3)
    assert (rested.size_rate, rested.median_us) == (1_250 / 3_000, 2_000)
    assert (found["immediate"].orders, found["immediate"].size_rate, found["immediate"].median_us) == (1, 1.0, 0)
    assert found["all"].filled_centi == 1_750


def test_an_order_that_took_before_it_rested_is_a_kind_of_its_own() -> None:
    orders = (order("a", 1_000, 400, created_us=START_US), order("b", 1_000, 100, created_us=START_US))
    fills = (
        fill("A-1", BID, 4_000, 400, order_id="a", is_taker=True),
        fill("A-1", BID, 4_000, 100, order_id="b", at_us=START_US + 7_000),
    )
    found = {each.kind: each for each in fill_rates(one_pass(orders=orders, fills=fills))}
    assert [(found[kind].orders, found[kind].median_us) for kind in ("rested", "both", "immediate")] == [
        (1, 7_000), (1, 0), (0, None),
    ]  # fmt: skip
    assert found["all"].orders == 2


def test_no_orders_have_no_fill_rate() -> None:
    assert {each.order_rate for each in fill_rates(one_pass())} == {None}


def test_mark_outs_are_weighted_by_size() -> None:
    fills = (
        fill("A-1", BID, 4_000, 300, mid_half_cc=8_100, mark_outs_half_cc=(7_900, None, 7_800)),
        fill("A-1", ASK, 6_000, 100, mid_half_cc=11_900, mark_outs_half_cc=(11_800, None, 12_400), is_taker=True),
    )
    found = {(each.role, each.after_s): each for each in mark_outs(one_pass(fills=fills, markets=(market("A-1"),)))}
    assert found["all", 0].mean_cc == 50.0
    assert found["all", 1].mean_cc == (-50 * 300 + 100 * 100) / 400
    assert ("all", 10) not in found
    assert found["taker", 60].mean_cc == -200.0
    assert (found["maker", 1].fills, found["maker", 1].interval) == (1, None)


def test_a_run_without_orders_states_the_first_empty_stage() -> None:
    one = one_pass(observations=10, decisions=10, refusals={"no_action": 10})
    found = statistics_of(result(one), one)
    assert found.verdict.startswith("nothing was traded: every decision is to do nothing")
    assert [(each.name, each.count) for each in found.funnel][:3] == [("observed", 10), ("decided", 10), ("targets", 0)]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_run_adds_up_to_the_micro_dollar(seed: int) -> None:
    whole = random_result(4, seed=seed)
    for one in whole.passes:
        found = statistics_of(whole, one)
        assert found.unattributed_micros == 0
        assert found.net_micros == one.account.cash_micros - whole.settings.balance_micros
        for groups in (found.sides, found.roles, found.hours, found.bases):
            assert sum(each.net_micros for each in groups) == found.net_micros
            assert sum(each.turnover_micros for each in groups) == found.turnover_micros


@given(st.lists(st.integers(-1_000_000, 1_000_000), min_size=1, max_size=30))
def test_the_drawdown_is_that_of_the_definition(equity: list[int]) -> None:
    found = drawdown_of([point(after, micros) for after, micros in enumerate(equity)])
    assert found is not None
    falls = [max(equity[: index + 1]) - micros for index, micros in enumerate(equity)]
    assert found.fall_micros == max(falls)
