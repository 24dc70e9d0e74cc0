"""What may change at a restart of the simulated exchange: balance, seed, accounts, tier; and named markets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.manual_exchange import ACCOUNT, ManualExchange, request
from truebook.venue.account import CreateResponse
from truebook_services.paper_exchange.auth import KeyFileError
from truebook_services.paper_exchange.engine.commands import PlaceOrder
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch

DOLLAR = 1_000_000
BALANCE = 1_000 * DOLLAR


def restarted(exchange: ManualExchange, folder: Path, **changes: Any) -> ManualExchange:
    exchange.kill()
    return ManualExchange(folder, exchange.clock.now_us(), **changes)


def balances(exchange: ManualExchange) -> dict[str, int]:
    queries = exchange.engine.queries
    return {name: queries.balance(name).balance_micros for name in queries.all_accounts()}


async def test_another_balance_deposits_or_withdraws_the_difference(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, accounts=("second",))
    exchange = restarted(exchange, tmp_path, balance_micros=BALANCE + 5 * DOLLAR)
    assert set(balances(exchange).values()) == {BALANCE + 5 * DOLLAR}
    exchange = restarted(exchange, tmp_path, balance_micros=BALANCE + 5 * DOLLAR)
    assert set(balances(exchange).values()) == {BALANCE + 5 * DOLLAR}, "only a change of it counts"
    exchange = restarted(exchange, tmp_path, balance_micros=BALANCE - DOLLAR)
    exchange = restarted(exchange, tmp_path)
    assert balances(exchange) == {ACCOUNT: BALANCE - DOLLAR, "second": BALANCE - DOLLAR}
    amounts = [one.amount_micros for one in exchange.engine.queries.transfers("second")]
    assert amounts == [-6 * DOLLAR, 5 * DOLLAR]
    exchange.kill()


async def test_a_balance_that_orders_hold_is_not_withdrawn(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, accounts=("second",))
    exchange.tick(5)
    [placed] = await exchange.command(
        PlaceOrder("second", request(exchange.tickers()[0], 1, price_cc=100, size_centi=50_000))
    )
    assert isinstance(placed, CreateResponse)
    before = balances(exchange)
    exchange.kill()
    with pytest.raises(ExchangeJournalMismatch, match=r"account second has \$.* free on shard 0; cancel orders"):
        ManualExchange(tmp_path, exchange.clock.now_us(), balance_micros=0)
    back = ManualExchange(tmp_path, exchange.clock.now_us())
    assert balances(back) == before, "no account was changed"
    back.kill()


async def test_a_first_account_with_a_slash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="names subaccounts"):
        ManualExchange(tmp_path, account="desk/1")


async def test_another_seed_is_that_of_later_events_only(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(10)
    exchange.kill()
    histories = {}
    for name, changes in {"same": {}, "other": {"seed": 2}}.items():
        folder = tmp_path / name
        folder.mkdir()
        for file in ("journal.jsonl", "position"):
            (folder / file).write_bytes((tmp_path / file).read_bytes())
        back = ManualExchange(folder, exchange.clock.now_us(), **changes)
        assert back.server.seed == (2 if changes else 1)
        back.tick(5)
        soon = back.state()["books"]
        back.tick(200)
        histories[name] = (soon, back.state()["trades"])
        again = restarted(back, folder)
        assert again.server.seed == back.server.seed and again.state()["trades"] == back.state()["trades"]
        again.kill()
    assert histories["same"][0] == histories["other"][0], "open markets keep their course"
    assert histories["same"][1] != histories["other"][1]


async def test_accounts_are_added_and_never_closed(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, accounts=("second",))
    exchange = restarted(exchange, tmp_path, accounts=("third",), balance_micros=BALANCE + DOLLAR)
    assert balances(exchange) == dict.fromkeys((ACCOUNT, "second", "third"), BALANCE + DOLLAR)
    exchange = restarted(exchange, tmp_path)
    keys = {key.account: key.key_id for key in exchange.server.keys}
    assert list(keys) == [ACCOUNT, "second", "third"] and len(set(keys.values())) == 3
    exchange.kill()


@pytest.mark.parametrize("names", [("a b",), ("x", "x"), ("sim-main",), ("x/1",)])
async def test_a_wrong_name_of_an_account_opens_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    ManualExchange(tmp_path).kill()
    with pytest.raises(KeyFileError, match=r"paper_exchange\.accounts"):
        ManualExchange(tmp_path, accounts=names)
    back = ManualExchange(tmp_path)
    assert list(balances(back)) == [ACCOUNT]
    back.kill()


async def test_the_tier_may_change_at_any_restart(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, tier="basic")
    exchange = restarted(exchange, tmp_path, tier="prime")
    assert exchange.server.state.limits.wire_limits()["usage_tier"] == "prime"
    exchange.kill()


async def test_named_markets_are_beside_synthetic_ones(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, tickers=("KXGOLD-1-A", "KXGOLD-1-B"), markets=10)
    exchange.tick(1)
    assert exchange.tickers()[:2] == ["KXGOLD-1-A", "KXGOLD-1-B"] and len(exchange.tickers()) == 12
    exchange = restarted(exchange, tmp_path, tickers=("KXGOLD-1-A", "KXGOLD-1-B"), markets=10)
    exchange.tick(60)
    assert len({ticker.partition("-")[0] for ticker in exchange.tickers()}) > 3
    exchange.kill()
    with pytest.raises(ExchangeJournalMismatch, match=r"markets 10, not 11: a restart repeats its history.*--fresh"):
        ManualExchange(tmp_path, tickers=("KXGOLD-1-A", "KXGOLD-1-B"), markets=11)
