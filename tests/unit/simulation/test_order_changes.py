"""Decrease and amend: queue position, trades, rejections, and cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, TICKER, opened_exchange
from truebook.messages.envelope import BookSide
from truebook.simulation.events import Filled, LevelChanged, OrderChanged
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_changes import Amendment, ChangeResponse
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import CreateResponse, OrderRequest, OrderStatus

BALANCE = 1_000_000_000


@pytest.fixture
def exchange() -> SimulatedExchange:
    return opened()


def opened() -> SimulatedExchange:
    return opened_exchange(BALANCE)


def rest(
    exchange: SimulatedExchange, account: str, side: BookSide, price_cc: int, size_centi: int, client: str, **more: Any
) -> str:
    request = OrderRequest(
        ticker=TICKER, client_order_id=client, book_side=side, price_cc=price_cc, size_centi=size_centi, **more
    )
    response, _ = exchange.place(account, request, START_US)
    assert isinstance(response, CreateResponse)
    return response.exchange_order_id


def amendment(side: BookSide = BID, price_cc: int = 4_000, total: int = 500, **more: Any) -> Amendment:
    fields: dict[str, Any] = {"ticker": TICKER, "book_side": side, "price_cc": price_cc, "total_centi": total} | more
    return Amendment(**fields)


def changed(response: ChangeResponse | Rejected) -> ChangeResponse:
    assert isinstance(response, ChangeResponse), response
    return response


def test_a_decrease_keeps_the_place_and_releases_cash(exchange: SimulatedExchange) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    rest(exchange, "other", BID, 4_000, 500, "b")
    held = exchange.queries.held_micros("me")
    response, events = exchange.decrease("me", mine, START_US, by_centi=200)
    assert changed(response).remaining_centi == 300
    assert [(type(event), getattr(event, "delta_centi", None)) for event in events] == [
        (OrderChanged, None),
        (LevelChanged, -200),
    ]
    assert exchange.queries.book(TICKER).size_at(BID, 4_000) == 800
    assert exchange.queries.held_micros("me") < held
    rest(exchange, "other", ASK, 4_000, 300, "c")
    shown = exchange.queries.order("me", mine)
    assert shown is not None
    assert (shown.status, shown.filled_centi, shown.initial_centi) == (OrderStatus.EXECUTED, 300, 500)


@pytest.mark.parametrize(("by", "to", "left"), [(500, None, 0), (900, None, 0), (None, 0, 0), (None, 500, 500)])
def test_a_decrease_to_nothing_cancels(exchange: SimulatedExchange, by: int | None, to: int | None, left: int) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    response, _ = exchange.decrease("me", mine, START_US, by_centi=by, to_centi=to)
    assert changed(response).remaining_centi == left
    shown = exchange.queries.order("me", mine)
    assert shown is not None
    assert (shown.status is OrderStatus.CANCELED) == (left == 0)
    assert exchange.queries.book(TICKER).size_at(BID, 4_000) == left


@pytest.mark.parametrize(("by", "to"), [(None, None), (1, 1), (0, None), (None, 501), (None, -1)])
def test_an_invalid_decrease_changes_nothing(exchange: SimulatedExchange, by: int | None, to: int | None) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    before = exchange.queries.order("me", mine)
    response, events = exchange.decrease("me", mine, START_US, by_centi=by, to_centi=to)
    assert isinstance(response, Rejected)
    assert events == []
    assert exchange.queries.order("me", mine) == before


def test_an_amended_price_is_two_level_changes(exchange: SimulatedExchange) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    response, events = exchange.amend("me", mine, amendment(price_cc=4_100), START_US)
    assert changed(response).remaining_centi == 500
    assert [(e.price_cc, e.delta_centi) for e in events if isinstance(e, LevelChanged)] == [(4_000, -500), (4_100, 500)]
    [change] = [event for event in events if isinstance(event, OrderChanged)]
    assert (change.order.price_cc, change.order.last_update_reason) == (4_100, "Amend")


@pytest.mark.parametrize(("total", "first"), [(400, "me"), (500, "me"), (600, "other")])
def test_only_a_larger_size_loses_the_place(exchange: SimulatedExchange, total: int, first: str) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    rest(exchange, "other", BID, 4_000, 500, "b")
    exchange.amend("me", mine, amendment(total=total), START_US)
    exchange.open_account("third", BALANCE)
    request = OrderRequest(ticker=TICKER, client_order_id="c", book_side=ASK, price_cc=4_000, size_centi=100)
    _, events = exchange.place("third", request, START_US)
    assert next(event.account for event in events if isinstance(event, Filled)) == first


def test_an_amend_that_crosses_trades_as_a_taker(exchange: SimulatedExchange) -> None:
    rest(exchange, "other", ASK, 5_000, 300, "b")
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    response, events = exchange.amend("me", mine, amendment(price_cc=5_200), START_US)
    done = changed(response)
    assert (done.traded_centi, done.remaining_centi, done.traded_micros) == (300, 200, 300 * 5_000)
    assert done.fees_micros > 0
    mine_filled = [event.fill for event in events if isinstance(event, Filled) and event.account == "me"]
    assert [(fill.is_taker, fill.price_cc) for fill in mine_filled] == [(True, 5_000)]
    assert exchange.queries.book(TICKER).best(BID) == (5_200, 200)


def test_the_total_includes_fills(exchange: SimulatedExchange) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    rest(exchange, "other", ASK, 4_000, 200, "b")
    response, _ = exchange.amend("me", mine, amendment(total=600, price_cc=3_900), START_US)
    assert changed(response).remaining_centi == 400
    refused, _ = exchange.amend("me", mine, amendment(total=200, price_cc=3_900), START_US)
    assert isinstance(refused, Rejected)


def test_an_amended_expiry_replaces_the_old_one(exchange: SimulatedExchange) -> None:
    second = START_US // SECOND_US
    orders = [rest(exchange, "me", BID, 4_000, 500, name, expiration_s=second + 10) for name in ("a", "b", "c")]
    exchange.amend("me", orders[0], amendment(expiration_s=second + 60), START_US)
    exchange.amend("me", orders[1], amendment(expiration_s=0), START_US)
    exchange.amend("me", orders[2], amendment(), START_US)

    def resting() -> list[str]:
        return [one.client_order_id for one in exchange.queries.orders("me", status=OrderStatus.RESTING)]

    exchange.advance(START_US + 10 * SECOND_US)
    assert resting() == ["b", "a"]
    exchange.advance(START_US + 60 * SECOND_US)
    assert resting() == ["b"]


def test_old_and_new_client_order_id_cannot_be_reused(exchange: SimulatedExchange) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "old")
    response, _ = exchange.amend("me", mine, amendment(client_order_id="old", updated_client_order_id="new"), START_US)
    assert changed(response).client_order_id == "new"
    for name in ("old", "new"):
        request = OrderRequest(ticker=TICKER, client_order_id=name, book_side=BID, price_cc=100, size_centi=100)
        repeated, _ = exchange.place("me", request, START_US)
        assert isinstance(repeated, Rejected)
        assert repeated.code == "order_already_exists"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ticker": "OTHER"}, "order_ticker_mismatch"),
    ({"book_side": ASK}, "order_side_mismatch"),
    ({"client_order_id": "not-mine"}, "order_id_and_client_order_id_mismatch"),
    ({"updated_client_order_id": "a"}, "order_already_exists"),
    ({"price_cc": 4_050}, "invalid_price"),
    ({"total_centi": 10_000_000}, "insufficient_balance"),
    ({"expiration_s": 1}, "invalid_parameters"),
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
def test_a_refused_amend_leaves_the_order_as_it_was(
    exchange: SimulatedExchange, changes: dict[str, Any], code: str
) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    before = (
        exchange.queries.order("me", mine),
        exchange.queries.held_micros("me"),
        exchange.queries.book(TICKER).levels(BID),
    )
    response, events = exchange.amend("me", mine, amendment(**changes), START_US)
    assert isinstance(response, Rejected)
    assert (response.code, events) == (code, [])
    assert (
        exchange.queries.order("me", mine),
        exchange.queries.held_micros("me"),
        exchange.queries.book(TICKER).levels(BID),
    ) == before


def test_a_post_only_order_is_never_amended_across_the_book(exchange: SimulatedExchange) -> None:
    rest(exchange, "other", ASK, 5_000, 300, "b")
    mine = rest(exchange, "me", BID, 4_000, 500, "a", post_only=True)
    response, _ = exchange.amend("me", mine, amendment(price_cc=5_000), START_US)
    assert isinstance(response, Rejected)
    assert (response.code, response.detail) == ("invalid_order", "post only cross")


def test_an_order_that_has_ended_cannot_be_changed(exchange: SimulatedExchange) -> None:
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    exchange.cancel("me", mine, START_US)
    for response, _ in (
        exchange.amend("me", mine, amendment(), START_US),
        exchange.decrease("me", mine, START_US, by_centi=1),
    ):
        assert isinstance(response, Rejected)
        assert (response.status, response.code) == (404, "not_found")


@given(
    st.lists(
        st.tuples(st.sampled_from(["amend", "decrease", "sell", "cancel"]), st.integers(1, 99), st.integers(1, 900)),
        max_size=12,
    )
)
def test_deltas_fold_to_the_book_after_any_changes(
    steps: list[tuple[str, int, int]],
) -> None:
    exchange = opened()
    mine = rest(exchange, "me", BID, 4_000, 500, "a")
    levels: dict[tuple[BookSide, int], int] = {(BID, 4_000): 500}
    for number, (kind, cents, size_centi) in enumerate(steps):
        events: list[Any] = []
        match kind:
            case "amend":
                _, events = exchange.amend("me", mine, amendment(price_cc=cents * 100, total=size_centi), START_US)
            case "decrease":
                _, events = exchange.decrease("me", mine, START_US, by_centi=size_centi)
            case "sell":
                request = OrderRequest(
                    ticker=TICKER,
                    client_order_id=f"s{number}",
                    book_side=ASK,
                    price_cc=cents * 100,
                    size_centi=size_centi,
                )
                _, events = exchange.place("other", request, START_US)
            case _:
                _, events = exchange.cancel("me", mine, START_US)
        for event in events:
            if isinstance(event, LevelChanged):
                key = (event.book_side, event.price_cc)
                levels[key] = levels.get(key, 0) + event.delta_centi
        book = exchange.queries.book(TICKER)
        shown = {(side, price): size for side in BookSide for price, size in book.levels(side)}
        assert {key: size for key, size in levels.items() if size} == shown
        order = exchange.queries.order("me", mine)
        assert order is not None
        assert order.filled_centi + order.remaining_centi <= order.initial_centi
        if order.status is not OrderStatus.RESTING:
            assert exchange.queries.held_micros("me") == 0
        assert exchange.queries.held_micros("me") >= 0
