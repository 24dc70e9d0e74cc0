"""What is published one by one: all that changes something, and of what changes nothing the first of a series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import observation
from truebook.decision import publication
from truebook.decision.decide import Decision, decide
from truebook.decision.publication import PublishedDecisions, is_nothing
from truebook.decision.strategy import Output, Strategy
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason

IDLE = Decision(reason=Reason.NO_ACTION)
STOPPED = Decision(reason=Reason.MODEL_STOPPED)
CANCEL = Decision(omitted_sides=OmittedSides.CANCEL, reason=Reason.NO_EDGE)
BID = Decision(targets=(Target(book_side=BookSide.BID, price_cc=4_600, size_centi=100),))


class Market:
    """Decides about one market, and publishes at once."""

    def __init__(self, published: PublishedDecisions, ticker: str = "T-1") -> None:
        self.published = published
        self.ticker = ticker

    def is_published(
        self, decision: Decision, model: str = "maker", sha256: str = "aa", *, arrives: bool = True
    ) -> bool:
        chosen = self.published.choose([(observation(ticker=self.ticker), decision)], model, sha256)
        assert len(chosen.published) + len(chosen.counted) == 1
        if arrives:
            self.published.confirm(chosen)
        return bool(chosen.published)

    def decide(self, *decisions: Decision) -> list[bool]:
        return [self.is_published(decision) for decision in decisions]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ((IDLE, IDLE, IDLE), [True, False, False]),
        ((BID, BID, BID), [True, True, True]),
        ((CANCEL, CANCEL), [True, True]),
        ((BID, IDLE, IDLE, BID, IDLE, IDLE), [True, True, False, True, True, False]),
        ((CANCEL, IDLE, IDLE), [True, True, False]),
        ((IDLE, STOPPED, STOPPED, IDLE, IDLE), [True, True, False, True, False]),
        ((IDLE, Decision(reason=Reason.ONE_SIDED_BOOK), Decision(reason=Reason.OFF_GRID)), [True, False, False]),
    ],
)
def test_of_decisions_that_change_nothing_the_first_is_published(
    decisions: tuple[Decision, ...], expected: list[bool]
) -> None:
    assert Market(PublishedDecisions()).decide(*decisions) == expected


def test_another_model_or_file_is_published() -> None:
    market = Market(PublishedDecisions())
    found = [
        market.is_published(IDLE, model, sha256)
        for model, sha256 in (("maker", "aa"), ("maker", "bb"), ("small", "bb"), ("small", "bb"))
    ]
    assert found == [True, True, True, False]


def test_each_market_is_on_its_own() -> None:
    published = PublishedDecisions()
    one, other = Market(published), Market(published, "T-2")
    assert one.decide(IDLE, IDLE) == [True, False]
    assert other.decide(BID, IDLE) == [True, True]
    assert one.decide(IDLE) == [False]


def test_after_an_assignment_every_market_is_published_again() -> None:
    published = PublishedDecisions()
    market = Market(published)
    market.decide(BID, IDLE)
    late = published.choose([(observation(ticker="T-2"), IDLE)], "maker", "aa")
    published.restart()
    published.confirm(late)
    assert market.decide(IDLE, IDLE) == [True, False]
    assert Market(published, "T-2").decide(IDLE) == [True]


def test_a_publication_that_failed_may_have_arrived() -> None:
    """So the next decision that changes nothing is published: it supersedes what may wait in execution."""
    market = Market(PublishedDecisions())
    market.decide(IDLE)
    assert market.is_published(BID, arrives=False)
    assert market.is_published(IDLE, arrives=False)
    assert market.decide(IDLE, IDLE) == [True, False]


def test_the_markets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "MAX_MARKETS", 2)
    published = PublishedDecisions()
    markets = [Market(published, f"T-{number}") for number in range(3)]
    assert [market.decide(IDLE) for market in markets] == [[True]] * 3
    assert [market.decide(IDLE) for market in markets[::-1]] == [[False], [False], [True]]


@given(st.lists(st.tuples(st.sampled_from(("T-1", "T-2")), st.sampled_from((IDLE, STOPPED, CANCEL, BID)))))
def test_a_reader_of_published_decisions_has_the_state_of_one_of_all(
    decided: list[tuple[str, Decision]],
) -> None:
    """By market: whether the newest decision is a change that may wait, and which; counted ones are never missed."""
    published = PublishedDecisions()
    markets = {ticker: Market(published, ticker) for ticker in ("T-1", "T-2")}
    waits_by_all: dict[str, Decision | None] = {}
    waits: dict[str, Decision | None] = {}
    for ticker, decision in decided:
        waiting = None if is_nothing(decision) else decision
        waits_by_all[ticker] = waiting
        if markets[ticker].is_published(decision):
            waits[ticker] = waiting
        assert waits == waits_by_all


@given(
    st.floats(0, 1),
    st.integers(1, 99).flatmap(lambda bid: st.tuples(st.just(bid * 100), st.integers(bid + 1, 100))),
    st.integers(-1_000, 1_000),
)
def test_no_decision_with_a_probability_is_counted(
    probability: float, prices: tuple[int, int], position_centi: int
) -> None:
    """Counts carry no probability: one of a model would be lost with its decision."""
    bid_cc, ask = prices
    seen = observation(best_bid_cc=bid_cc, best_ask_cc=ask * 100, position_centi=position_centi)
    decision = decide(seen, [probability], Strategy(output=Output.YES_PROBABILITY, sizes_centi=(100,)))
    assert decision.probability is None or not is_nothing(decision)
