"""Settled markets are added up in one record after the retention: values stay, the number of markets is bounded."""

from __future__ import annotations

import pytest

from support.journals import entries_of
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.valuation import account_values
from truebook.ledger.verbs import OpenAccount, Prune, SettleFill, SettleMarket
from truebook.messages.envelope import BookSide

LATER_US = 10**12
PRUNE_ALL = Prune(terminal_before_us=LATER_US, settled_before_us=LATER_US)


def traded(ticker: str, *, settlement_cc: int | None, both: bool = False) -> list[object]:
    """Return verbs that trade one market, on one side or on both, and settle it."""
    verbs: list[object] = [
        a_reserve(f"o-{ticker}", ticker=ticker, event=ticker, size_centi=100),
        an_acknowledge(f"o-{ticker}", exchange_order_id=f"x-{ticker}", ticker=ticker),
        a_fill(f"t-{ticker}", order_id=f"x-{ticker}", ticker=ticker, size_centi=100, fee_micros=7),
    ]
    if both:
        verbs += [
            an_acknowledge(f"f-{ticker}", exchange_order_id=f"y-{ticker}", ticker=ticker),
            SettleFill(
                trade_id=f"u-{ticker}", order_id=f"y-{ticker}", ticker=ticker, book_side=BookSide.ASK, price_cc=6_000,
                size_centi=40, fee_micros=3,
            ),
        ]  # fmt: skip
    return verbs if settlement_cc is None else [*verbs, SettleMarket(ticker=ticker, settlement_cc=settlement_cc)]


def ledger_with(*verbs: object) -> Ledger:
    ledger = Ledger("first")
    for verb in (OpenAccount(balance_micros=1_000_000_000), *verbs):
        ledger.apply(verb)  # type: ignore[type-var, arg-type]
    return ledger


ALL = [
    *traded("WON", settlement_cc=10_000),
    *traded("LOST", settlement_cc=0),
    *traded("BOTH", settlement_cc=2_500, both=True),
    *traded("OPEN", settlement_cc=None),
]


def test_settled_markets_become_one_record_with_the_same_values() -> None:
    ledger = ledger_with(*ALL)
    before = ledger.view()
    assert ledger.apply(PRUNE_ALL) > 3
    after = ledger.view()
    assert [market.ticker for market in after.markets] == ["", "OPEN"]
    assert after.markets[0].pruned_markets == 3
    assert sum(market.fills for market in after.markets) == sum(market.fills for market in before.markets)
    assert after.errors_of_totals == {}
    for name in ("cash_micros", "deposits_micros", "fees_micros", "pairs_micros"):
        assert getattr(after.account, name) == getattr(before.account, name), name
    costs = after.account.costs_micros - after.account.payouts_micros
    assert costs == before.account.costs_micros - before.account.payouts_micros
    assert account_values(after, {}).realized_micros == account_values(before, {}).realized_micros
    assert ledger.audit().errors == {}
    assert set(ledger.state.events) == {"OPEN"}


def test_a_second_pruning_adds_to_the_record() -> None:
    at_once, in_parts = ledger_with(*ALL), ledger_with()
    for verb in ALL:
        in_parts.apply(verb)  # type: ignore[type-var, arg-type]
        if isinstance(verb, SettleMarket):
            in_parts.apply(PRUNE_ALL)
    for ledger in (at_once, in_parts):
        while ledger.apply(PRUNE_ALL):
            pass
    assert in_parts.view().markets == at_once.view().markets


@pytest.mark.parametrize("settled", [True, False])
def test_a_recent_or_open_market_is_kept(settled: bool) -> None:
    ledger = ledger_with(*traded("M", settlement_cc=5_000 if settled else None))
    before_us = ledger.state.clock_us if settled else LATER_US
    ledger.apply(Prune(terminal_before_us=before_us, settled_before_us=before_us))
    assert [market.ticker for market in ledger.view().markets] == ["M"]


def test_the_journal_gives_the_same_record() -> None:
    verbs = [OpenAccount(balance_micros=1_000_000_000), *ALL, PRUNE_ALL]
    entries = entries_of(verbs)  # type: ignore[arg-type]
    assert replay(entries).view() == replay(entries[-1:], replay(entries[:-1])).view()


def test_a_repeated_settlement_of_a_pruned_market_changes_no_value() -> None:
    ledger = ledger_with(*ALL)
    ledger.apply(PRUNE_ALL)
    before = ledger.view().account.cash_micros
    ledger.apply(SettleMarket(ticker="WON", settlement_cc=10_000))
    assert ledger.view().account.cash_micros == before
