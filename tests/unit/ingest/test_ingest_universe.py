"""Which markets are chosen: a table of markets and verdicts, then the hysteresis step by step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fakes_market import HOUR_US, facts
from truebook.messages.facts import FeeType, MarketFacts, MarketStatus
from truebook_services.ingest.settings import UniverseSettings
from truebook_services.ingest.universe import Shape, Universe, is_of_shard

NOW_US = 1_000 * HOUR_US
GOOD = Shape(400, 5_000)
NONE: frozenset[str] = frozenset()


def choose(
    universe: Universe,
    markets: list[MarketFacts],
    followed: frozenset[str] = NONE,
    *,
    shapes: dict[str, Shape] | None = None,
    pinned: frozenset[str] = NONE,
) -> set[str]:
    known = {each.ticker: GOOD for each in markets} | (shapes or {})
    return set(universe.choose({each.ticker: each for each in markets}, known, followed, pinned, NOW_US))


@pytest.mark.parametrize(
    ("settings", "market", "shape", "is_chosen"),
    [
        pytest.param({}, {}, GOOD, True, id="an active market with a good book"),
        pytest.param({}, {"status": MarketStatus.CLOSED}, GOOD, False, id="closed"),
        pytest.param({}, {"status": MarketStatus.INITIALIZED}, GOOD, False, id="not open yet"),
        pytest.param({}, {"ticker": "KXMVE-1"}, GOOD, False, id="multivariate"),
        pytest.param({"multivariate": True}, {"ticker": "KXMVE-1"}, GOOD, True, id="multivariate, wanted"),
        pytest.param({}, {"fee_type": FeeType.FLAT}, GOOD, False, id="fee that can't be promised"),
        pytest.param({}, {"close_us": NOW_US + 59_000_000}, GOOD, False, id="closes soon"),
        pytest.param({}, {"close_us": NOW_US + 60_000_000}, GOOD, True, id="closes late enough"),
        pytest.param({}, {}, Shape(2_001, 5_000), False, id="spread too wide"),
        pytest.param({}, {}, Shape(2_000, 5_000), True, id="spread just narrow enough"),
        pytest.param({}, {}, Shape(400, 99), False, id="too thin"),
        pytest.param({}, {}, Shape(None, 0), False, id="one-sided"),
        pytest.param({"least_volume_centi": 1_001}, {}, GOOD, False, id="too quiet"),
        pytest.param({"series": ("S",)}, {"series": "T"}, GOOD, False, id="another series"),
        pytest.param({"tickers": ("X-1",)}, {}, GOOD, False, id="not on the list"),
        pytest.param({"tickers": ("T-1",)}, {}, Shape(None, 0), True, id="on the list, whatever its book"),
        pytest.param({"tickers": ("T-1",)}, {"status": MarketStatus.CLOSED}, GOOD, False, id="on the list, closed"),
        pytest.param({"tickers": ("T-1",)}, {"status": MarketStatus.INITIALIZED}, GOOD, True, id="on the list, early"),
        pytest.param({"most_markets": 0}, {}, GOOD, False, id="no places"),
    ],
)
def test_a_newcomer_must_pass_the_whole_filter(
    settings: dict[str, Any], market: dict[str, Any], shape: Shape, is_chosen: bool
) -> None:
    known = facts(**({"ticker": "T-1"} | market))
    chosen = choose(Universe(UniverseSettings(**settings)), [known], shapes={known.ticker: shape})
    assert chosen == ({known.ticker} if is_chosen else set())


def test_each_event_belongs_to_exactly_one_shard_with_all_its_markets() -> None:
    markets = [facts(f"E{event}-{number}", event=f"E{event}") for event in range(40) for number in range(3)]
    shards = [UniverseSettings(shard=shard, shards=3) for shard in range(3)]
    owners = {each.ticker: [shard.shard for shard in shards if is_of_shard(each, shard)] for each in markets}
    assert all(len(found) == 1 for found in owners.values())
    assert len({(each.event, *owners[each.ticker]) for each in markets}) == 40
    assert {owner for found in owners.values() for owner in found} == {0, 1, 2}


def test_a_shard_that_is_not_among_them_is_refused() -> None:
    with pytest.raises(ValueError, match="shard 2 is not among the 2 shards"):
        UniverseSettings(shard=2, shards=2)


def test_a_followed_market_stays_with_a_book_that_a_newcomer_could_not_have() -> None:
    wide = {"T-1": Shape(3_900, 60)}
    universe = Universe(UniverseSettings())
    assert choose(universe, [facts("T-1")], shapes=wide) == set()
    for _ in range(5):
        assert choose(universe, [facts("T-1")], frozenset({"T-1"}), shapes=wide) == {"T-1"}


def test_a_followed_market_leaves_after_three_bad_judgements_in_a_row() -> None:
    universe, bad, followed = Universe(UniverseSettings()), {"T-1": Shape(9_000, 5_000)}, frozenset({"T-1"})
    answers = [choose(universe, [facts("T-1")], followed, shapes=bad) for _ in range(2)]
    answers.append(choose(universe, [facts("T-1")], followed))
    answers += [choose(universe, [facts("T-1")], followed, shapes=bad) for _ in range(3)]
    assert [bool(answer) for answer in answers] == [True, True, True, True, True, False]


def test_a_followed_market_stays_until_its_close_and_leaves_then() -> None:
    universe, followed = Universe(UniverseSettings()), frozenset({"T-1"})
    assert choose(universe, [facts("T-1", close_us=NOW_US + 1)], followed) == {"T-1"}
    assert choose(universe, [facts("T-1", status=MarketStatus.CLOSED)], followed) == set()


@pytest.mark.parametrize(("volume_centi", "chosen"), [(1_500, {"T-1"}), (1_501, {"T-2"})])
def test_a_newcomer_displaces_the_quietest_only_when_clearly_busier(volume_centi: int, chosen: set[str]) -> None:
    universe = Universe(UniverseSettings(most_markets=1))
    markets = [facts("T-1", volume_centi=1_000), facts("T-2", volume_centi=volume_centi)]
    assert choose(universe, markets, frozenset({"T-1"})) == chosen


def test_a_pinned_market_is_never_dropped_and_takes_a_place() -> None:
    universe = Universe(UniverseSettings(most_markets=1))
    markets = [facts("T-1", status=MarketStatus.CLOSED), facts("T-2", volume_centi=10**9)]
    assert choose(universe, markets, frozenset({"T-1"}), pinned=frozenset({"T-1"})) == {"T-1"}


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.booleans(), st.booleans(), st.booleans()), max_size=12),
    st.integers(0, 5),
)
def test_there_are_never_more_markets_than_places_but_for_pinned_ones(
    rows: list[tuple[int, bool, bool, bool]], places: int
) -> None:
    markets = [facts(f"T-{i}", volume_centi=row[0]) for i, row in enumerate(rows)]
    followed = frozenset(f"T-{i}" for i, row in enumerate(rows) if row[1])
    pinned = frozenset(f"T-{i}" for i, row in enumerate(rows) if row[2])
    shapes = {f"T-{i}": GOOD if row[3] else Shape(None, 0) for i, row in enumerate(rows)}
    chosen = choose(Universe(UniverseSettings(most_markets=places)), markets, followed, shapes=shapes, pinned=pinned)
    assert pinned <= chosen
    assert len(chosen) <= max(places, len(pinned))
