"""Which markets are selected: a table of markets and exclusions, then the hysteresis step by step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.in_memory_exchange import HOUR_US, market_metadata
from truebook.kalshi.port import ListedMarket
from truebook.messages.market_metadata import FeeType, MarketMetadata, MarketStatus
from truebook.messages.markets import Exclusion
from truebook.universe.selection import TopOfBook, Universe, choose_candidates, is_of_shard
from truebook_services.ingest.settings import UniverseSettings

NOW_US = 1_000 * HOUR_US
GOOD = TopOfBook(400, 5_000)
NONE: frozenset[str] = frozenset()


def select(
    universe: Universe,
    markets: list[MarketMetadata],
    followed: frozenset[str] = NONE,
    *,
    tops: dict[str, TopOfBook] | None = None,
    pinned: frozenset[str] = NONE,
) -> set[str]:
    known = {each.ticker: GOOD for each in markets} | (tops or {})
    return set(universe.select({each.ticker: each for each in markets}, known, followed, pinned, NOW_US))


@pytest.mark.parametrize(
    ("settings", "market", "top", "exclusion"),
    [
        pytest.param({}, {}, GOOD, None, id="an active market with a good book"),
        pytest.param({}, {"status": MarketStatus.CLOSED}, GOOD, Exclusion.NOT_TRADING, id="closed"),
        pytest.param({}, {"status": MarketStatus.INITIALIZED}, GOOD, Exclusion.NOT_TRADING, id="not open yet"),
        pytest.param({}, {"ticker": "KXMVE-1"}, GOOD, Exclusion.MULTIVARIATE, id="multivariate"),
        pytest.param({"multivariate": True}, {"ticker": "KXMVE-1"}, GOOD, None, id="multivariate, configured"),
        pytest.param({}, {"exchange_index": 2}, GOOD, None, id="another exchange shard"),
        pytest.param(
            {"exchange_shards": (0, 3)}, {"exchange_index": 2}, GOOD, Exclusion.EXCHANGE_SHARD, id="not that shard"
        ),
        pytest.param({"exchange_shards": (0, 2)}, {"exchange_index": 2}, GOOD, None, id="that shard"),
        pytest.param({}, {"fee_type": FeeType.FLAT}, GOOD, Exclusion.FEE_TYPE, id="fee that cannot be computed"),
        pytest.param({}, {"close_us": NOW_US + 59_000_000}, GOOD, Exclusion.CLOSES_SOON, id="closes soon"),
        pytest.param({}, {"close_us": NOW_US + 60_000_000}, GOOD, None, id="closes late enough"),
        pytest.param({}, {}, None, Exclusion.NOT_PROBED, id="book not read yet"),
        pytest.param({}, {}, TopOfBook(2_001, 5_000), Exclusion.SPREAD, id="spread too wide"),
        pytest.param({}, {}, TopOfBook(2_000, 5_000), None, id="spread just narrow enough"),
        pytest.param({}, {}, TopOfBook(400, 99), Exclusion.DEPTH, id="too thin"),
        pytest.param({}, {}, TopOfBook(None, 0), Exclusion.NO_BOOK, id="one-sided"),
        pytest.param({"min_volume_centi": 1_001}, {}, GOOD, Exclusion.VOLUME, id="volume too low"),
        pytest.param({"series": ("S",)}, {"series": "T"}, GOOD, Exclusion.NOT_CONFIGURED, id="another series"),
        pytest.param({"tickers": ("X-1",)}, {}, GOOD, Exclusion.NOT_CONFIGURED, id="not named"),
        pytest.param({"tickers": ("T-1",)}, {}, TopOfBook(None, 0), None, id="named, whatever its book"),
        pytest.param(
            {"tickers": ("T-1",)}, {"status": MarketStatus.CLOSED}, GOOD, Exclusion.NOT_TRADING, id="named, closed"
        ),
        pytest.param({"tickers": ("T-1",)}, {"status": MarketStatus.INITIALIZED}, GOOD, None, id="named, early"),
        pytest.param({"max_markets": 0}, {}, GOOD, Exclusion.UNIVERSE_FULL, id="no places"),
    ],
)
def test_a_newcomer_must_pass_the_whole_filter(
    settings: dict[str, Any], market: dict[str, Any], top: TopOfBook | None, exclusion: Exclusion | None
) -> None:
    listed = market_metadata(**({"ticker": "T-1"} | market))
    universe = Universe(UniverseSettings(**settings).rules())
    tops = {} if top is None else {listed.ticker: top}
    selected = universe.select({listed.ticker: listed}, tops, NONE, NONE, NOW_US)
    assert selected == (NONE if exclusion else {listed.ticker})
    if exclusion is not None:
        assert universe.exclusion(listed, top, NOW_US) is exclusion


def test_the_page_lists_the_exclusions_in_their_order() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(Exclusion)


def test_each_event_belongs_to_exactly_one_shard_with_all_its_markets() -> None:
    markets = [market_metadata(f"E{event}-{number}", event=f"E{event}") for event in range(40) for number in range(3)]
    shards = [UniverseSettings(shard=shard, shards=3).rules() for shard in range(3)]
    owners = {each.ticker: [shard.shard for shard in shards if is_of_shard(each, shard)] for each in markets}
    assert all(len(found) == 1 for found in owners.values())
    assert len({(each.event, *owners[each.ticker]) for each in markets}) == 40
    assert {owner for found in owners.values() for owner in found} == {0, 1, 2}


def test_a_shard_number_beyond_the_count_is_refused() -> None:
    with pytest.raises(ValueError, match="shard 2 is not among the 2 shards"):
        UniverseSettings(shard=2, shards=2).rules()


def test_a_followed_market_is_judged_more_generously() -> None:
    wide = {"T-1": TopOfBook(3_900, 60)}
    universe = Universe(UniverseSettings().rules())
    assert select(universe, [market_metadata("T-1")], tops=wide) == set()
    for _ in range(5):
        assert select(universe, [market_metadata("T-1")], frozenset({"T-1"}), tops=wide) == {"T-1"}


def test_a_followed_market_leaves_after_three_failures_in_a_row() -> None:
    universe, bad, followed = Universe(UniverseSettings().rules()), {"T-1": TopOfBook(9_000, 5_000)}, frozenset({"T-1"})
    results = [select(universe, [market_metadata("T-1")], followed, tops=bad) for _ in range(2)]
    results.append(select(universe, [market_metadata("T-1")], followed))
    results += [select(universe, [market_metadata("T-1")], followed, tops=bad) for _ in range(3)]
    assert [bool(result) for result in results] == [True, True, True, True, True, False]


def test_a_followed_market_leaves_at_its_close() -> None:
    universe, followed = Universe(UniverseSettings().rules()), frozenset({"T-1"})
    assert select(universe, [market_metadata("T-1", close_us=NOW_US + 1)], followed) == {"T-1"}
    assert select(universe, [market_metadata("T-1", status=MarketStatus.CLOSED)], followed) == set()


@pytest.mark.parametrize(("volume_centi", "selected"), [(1_500, {"T-1"}), (1_501, {"T-2"})])
def test_a_newcomer_replaces_only_a_clearly_quieter_market(volume_centi: int, selected: set[str]) -> None:
    universe = Universe(UniverseSettings(max_markets=1).rules())
    markets = [market_metadata("T-1", volume_centi=1_000), market_metadata("T-2", volume_centi=volume_centi)]
    assert select(universe, markets, frozenset({"T-1"})) == selected


def test_a_pinned_market_is_never_dropped_and_takes_a_place() -> None:
    universe = Universe(UniverseSettings(max_markets=1).rules())
    markets = [market_metadata("T-1", status=MarketStatus.CLOSED), market_metadata("T-2", volume_centi=10**9)]
    assert select(universe, markets, frozenset({"T-1"}), pinned=frozenset({"T-1"})) == {"T-1"}


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.booleans(), st.booleans(), st.booleans()), max_size=12),
    st.integers(0, 5),
)
def test_only_pinned_markets_exceed_the_number_of_places(rows: list[tuple[int, bool, bool, bool]], places: int) -> None:
    markets = [market_metadata(f"T-{i}", volume_centi=row[0]) for i, row in enumerate(rows)]
    followed = frozenset(f"T-{i}" for i, row in enumerate(rows) if row[1])
    pinned = frozenset(f"T-{i}" for i, row in enumerate(rows) if row[2])
    tops = {f"T-{i}": GOOD if row[3] else TopOfBook(None, 0) for i, row in enumerate(rows)}
    selected = select(
        Universe(UniverseSettings(max_markets=places).rules()), markets, followed, tops=tops, pinned=pinned
    )
    assert pinned <= selected
    assert len(selected) <= max(places, len(pinned))


def listed(ticker: str, volume_centi: int, **changes: Any) -> ListedMarket:
    values = {"event": "E", "status": MarketStatus.ACTIVE, "close_us": NOW_US + HOUR_US} | changes
    return ListedMarket(ticker=ticker, volume_centi=volume_centi, **values)


def test_candidates_are_the_busiest_and_the_busiest_that_fit() -> None:
    markets = [listed(f"T-{volume}", volume) for volume in range(10)]
    markets += [
        listed("KXMVE-1", 100),
        listed("SHARD", 99, exchange_index=1),
        listed("SOON", 98, close_us=NOW_US),
        listed("CLOSED", 97, status=MarketStatus.CLOSED),
    ]
    settings = UniverseSettings(max_markets=1, max_excluded=1, min_volume_centi=5, exchange_shards=(0,)).rules()
    assert choose_candidates(markets, settings, NOW_US) == {"KXMVE-1", "SHARD", "SOON", "T-9", "T-8"}
    assert choose_candidates(markets[:6], settings, NOW_US) == {"T-5", "T-4", "T-3"}
