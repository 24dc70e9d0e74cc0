"""What every ``LiveSource`` does, as tests: subclasses give ``rig``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from truebook.live.views import Changes, MarketRow
from truebook_services.operator.live import LiveSource


class LiveRig(Protocol):
    """A source with at least two markets, a decision and an account, and a way to change it."""

    source: LiveSource
    ticker: str
    """A market with a fresh book."""
    action_id: str
    """A decision with an order."""

    def change(self) -> None:
        """Change the market's book."""
        ...

    def end_market(self) -> None:
        """Let the market end without a position."""
        ...


class LiveContract:
    async def test_without_a_version_everything_is_returned(self, rig: LiveRig) -> None:
        changes = await rig.source.changes()
        assert changes.is_complete and changes.is_live and len(changes.rows) > 1
        assert changes.account is not None and changes.services is not None and changes.funnel is not None
        assert changes.points and changes.decisions

    async def test_only_what_changed_since_a_version_is_returned(self, rig: LiveRig) -> None:
        first = await rig.source.changes()
        again = await rig.source.changes(first.version)
        assert (again.is_complete, again.rows, again.points, again.events) == (False, (), (), ())
        rig.change()
        later = await rig.source.changes(again.version)
        assert [row.ticker for row in later.rows] == [rig.ticker]

    async def test_two_readers_get_the_same_changes(self, rig: LiveRig) -> None:
        one, other = await rig.source.changes(), await rig.source.changes()
        rig.change()
        found = [await rig.source.changes(each.version) for each in (one, other)]
        assert [[row.ticker for row in each.rows] for each in found] == [[rig.ticker]] * 2

    async def test_a_foreign_version_gets_everything(self, rig: LiveRig) -> None:
        for version in ("", "other:1", "1.5", "-1", "9" * 40, "ünknown"):
            assert (await rig.source.changes(version)).is_complete, version

    async def test_applied_changes_equal_a_complete_result(self, rig: LiveRig) -> None:
        changes = await rig.source.changes()
        rows = _applied({}, changes)
        for _ in range(3):
            rig.change()
            changes = await rig.source.changes(changes.version)
            rows = _applied(rows, changes)
        rig.end_market()
        changes = await rig.source.changes(changes.version)
        rows = _applied(rows, changes)
        assert rig.ticker not in rows
        assert rows == _applied({}, await rig.source.changes())

    async def test_a_market_is_returned_in_full(self, rig: LiveRig) -> None:
        detail = await rig.source.market(rig.ticker)
        assert detail is not None and detail.row.ticker == rig.ticker
        assert [level.price_cc for level in detail.bids] == sorted((e.price_cc for e in detail.bids), reverse=True)
        assert [level.price_cc for level in detail.asks] == sorted(level.price_cc for level in detail.asks)
        assert detail.row.bid_cc == detail.bids[0].price_cc

    async def test_a_decision_is_joined_with_its_orders(self, rig: LiveRig) -> None:
        life = await rig.source.lifecycle(rig.action_id)
        assert life is not None and life.action_id == rig.action_id and life.orders
        assert all(step.outcome for order in life.orders for step in order.steps)

    async def test_unknown_names_give_none(self, rig: LiveRig) -> None:
        assert await rig.source.market("KX-UNKNOWN") is None
        assert await rig.source.lifecycle("unknown") is None

    async def test_model_and_system_are_returned(self, rig: LiveRig) -> None:
        model, system = await rig.source.model(), await rig.source.system()
        assert model.active == "maker" and model.minutes and model.observations
        assert system.services and system.at_us >= system.since_us

    async def test_no_number_is_a_float_but_features(self, rig: LiveRig) -> None:
        """Money, prices and times are integers; everything can be sent as JSON."""
        results: list[Any] = [await rig.source.changes(), await rig.source.market(rig.ticker)]
        results += [await rig.source.lifecycle(rig.action_id), await rig.source.system()]
        assert [value for each in results for value in _floats(msgspec.to_builtins(each))] == []


def _applied(rows: dict[str, MarketRow], changes: Changes) -> dict[str, MarketRow]:
    kept = {} if changes.is_complete else dict(rows)
    kept |= {row.ticker: row for row in changes.rows}
    return {ticker: row for ticker, row in kept.items() if ticker not in changes.removed}


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _floats(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _floats(each)
