"""Pages, cursors and filters of lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rest.paging import Query, page

ITEMS = [f"item-{number}" for number in range(25)]


def cut(items: list[str], wanted: str = "item", **parameters: str) -> tuple[list[str], str]:
    return page(Query("GetThings", parameters), items, lambda item: item, lambda item: wanted in item)


@given(limit=st.integers(1, 30), count=st.integers(0, 25))
def test_following_the_cursor_gives_every_item_once(limit: int, count: int) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        found, cursor = cut(ITEMS[:count], limit=str(limit), **({"cursor": cursor} if cursor else {}))
        assert len(found) <= limit
        seen += found
        if not cursor:
            break
    assert seen == ITEMS[:count]


def test_the_last_page_has_an_empty_cursor_even_when_it_is_full() -> None:
    assert cut(ITEMS[:10], limit="10") == (ITEMS[:10], "")


def test_new_items_in_front_do_not_change_later_pages() -> None:
    first, cursor = cut(ITEMS, limit="5")
    second, _ = cut(["new-item", *ITEMS], limit="5", cursor=cursor)
    assert first + second == ITEMS[:10]


def test_a_cursor_of_a_filtered_item_still_marks_its_place() -> None:
    _, cursor = cut(ITEMS, limit="5")
    second, _ = page(
        Query("GetThings", {"limit": "5", "cursor": cursor}), ITEMS, lambda item: item, lambda item: item != "item-4"
    )
    assert second == ITEMS[5:10]


@pytest.mark.parametrize("garbage", ["!!!", "bm9uc2Vuc2U", "ÿ"])
def test_an_invalid_cursor_restarts_the_list(garbage: str) -> None:
    assert cut(ITEMS, limit="3", cursor=garbage)[0] == ITEMS[:3]


@pytest.mark.parametrize(("limit", "tag"), [("1001", "lte"), ("0", "gte"), ("many", "numeric")])
def test_an_invalid_limit_is_rejected_with_the_exchanges_text(limit: str, tag: str) -> None:
    with pytest.raises(WireError) as caught:
        page(Query("GetMarkets", {"limit": limit}), ITEMS, lambda item: item, lambda item: True)
    assert caught.value.status == 400
    assert caught.value.body == {
        "msg": "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' "
        f"Error:Field validation for 'Limit' failed on the '{tag}' tag"
    }


def test_a_span_includes_both_of_its_seconds() -> None:
    within = Query("GetFills", {"min_ts": "10", "max_ts": "12"}).span_us()
    assert [within(at_us) for at_us in (9_999_999, 10_000_000, 12_999_999, 13_000_000)] == [False, True, True, False]
