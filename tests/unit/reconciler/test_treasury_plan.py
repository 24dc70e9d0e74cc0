"""Which transfer between shards is planned: by weights, within every limit, and never in circles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook_services.reconciler.treasury_plan import Move, TreasuryRules, plan

DOLLAR = 1_000_000
RULES = TreasuryRules(
    max_transfer_micros=100 * DOLLAR, max_day_micros=150 * DOLLAR, min_transfer_micros=DOLLAR, min_kept_micros=0
)
_amounts = st.integers(-50 * DOLLAR, 500 * DOLLAR)
_cash = st.dictionaries(st.integers(0, 4), _amounts, max_size=5)
_weights = st.dictionaries(st.integers(0, 4), st.integers(0, 10), max_size=5)
_rules = st.builds(
    TreasuryRules, max_transfer_micros=_amounts.map(abs), max_day_micros=_amounts.map(abs),
    min_transfer_micros=st.integers(100, 10 * DOLLAR), min_kept_micros=_amounts.map(abs),
)  # fmt: skip


@pytest.mark.parametrize(
    ("free", "weights", "moved", "found"),
    [
        pytest.param({0: 80}, {0: 1, 2: 1}, 0, (0, 2, 40), id="to a shard without cash"),
        pytest.param({0: 80}, {0: 3, 2: 1}, 0, (0, 2, 20), id="by weights"),
        pytest.param({0: 80}, {2: 1}, 0, (0, 2, 80), id="all, where nothing else needs it"),
        pytest.param({0: 800}, {2: 1}, 0, (0, 2, 100), id="at most the largest transfer"),
        pytest.param({0: 800}, {2: 1}, 90, (0, 2, 60), id="at most the rest of the day"),
        pytest.param({0: 800}, {2: 1}, 150, None, id="nothing beyond the day"),
        pytest.param({0: 60, 2: 20}, {0: 1, 2: 1}, 0, None, id="half of its part is enough"),
        pytest.param({0: 61, 2: 19}, {0: 1, 2: 1}, 0, (0, 2, 21), id="less than half is filled up"),
        pytest.param({0: 1}, {0: 1, 3: 1}, 0, None, id="too little to move"),
        pytest.param({0: 80}, {}, 0, None, id="no weights"),
        pytest.param({0: 80}, {2: 0}, 0, None, id="only zero weights"),
        pytest.param({0: 80, 2: -10}, {0: 1, 2: 1}, 0, (0, 2, 40), id="an overdrawn shard"),
        pytest.param({0: 10, 2: 50, 3: 0}, {3: 1}, 0, (2, 3, 50), id="from the shard with the most"),
    ],
)
def test_a_plan(free: dict[int, int], weights: dict[int, int], moved: int, found: tuple[int, int, int] | None) -> None:
    cash = {shard: dollars * DOLLAR for shard, dollars in free.items()}
    move = plan(cash, weights, RULES, moved * DOLLAR)
    expected = None if found is None else Move(
        from_shard=found[0], to_shard=found[1], amount_micros=found[2] * DOLLAR
    )  # fmt: skip
    assert move == expected


@given(_cash, _weights, _rules, st.integers(0, 500 * DOLLAR))
def test_a_plan_is_within_every_limit(
    cash: dict[int, int], weights: dict[int, int], rules: TreasuryRules, moved: int
) -> None:
    move = plan(cash, weights, rules, moved)
    if move is not None:
        assert move.from_shard != move.to_shard and move.amount_micros % 100 == 0
        assert rules.min_transfer_micros <= move.amount_micros <= rules.max_transfer_micros
        assert move.amount_micros + moved <= rules.max_day_micros
        assert cash[move.from_shard] - move.amount_micros >= rules.min_kept_micros


@given(_cash, _weights, _rules)
def test_repeated_plans_come_to_an_end(cash: dict[int, int], weights: dict[int, int], rules: TreasuryRules) -> None:
    for _ in range(50):
        move = plan(cash, weights, rules, 0)
        limit_micros = min(rules.max_transfer_micros, rules.max_day_micros)
        if move is None or move.amount_micros == limit_micros // 100 * 100:  # it may take many transfers
            return
        cash = cash | {
            move.from_shard: cash[move.from_shard] - move.amount_micros,
            move.to_shard: cash.get(move.to_shard, 0) + move.amount_micros,
        }
    raise AssertionError("the same cash is moved again and again")
