"""Ids are created before the effect and equal on every machine and version: an upgrade must not order twice."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.messages import ids

PARTS = st.lists(st.one_of(st.text(max_size=8), st.integers(-(2**53), 2**53)), max_size=4)


@pytest.mark.parametrize(
    ("made", "golden"),
    [
        (ids.digest(), "7ebb3c7c2a87b1a2f8a7ed729ecb040d"),
        (ids.digest("ab", "c"), "a9a7851cd7773d1de07d9f91eef84f9f"),
        (ids.digest("a", "bc"), "a2c4a5e9f87ea64f16bdc4e27d72200e"),
        (ids.digest("caf\u00e9", 7), "252b379465932573a82510e7ceba07ad"),
        (ids.observation_id("KXHIGHNY-26NOV24-B51.5", 7, 42, "m1", 99, "5161"), "6e1e7746170d10911483cf5b1dbd15bb"),
        (ids.action_id("sim-main", "main", "0123"), "0e190426b9003aeee979805a4d087888"),
        (ids.client_order_id("2e80", "0123", "bid"), "tb1-092a2afb4950c94727a0365043c99701"),
        (ids.client_order_id("2e80", "0123", "ask"), "tb1-6fa9b8a37dca24cc52acc3731024d31d"),
    ],
)
def test_ids_are_stable(made: str, golden: str) -> None:
    assert made == golden


def test_the_digest_is_blake2b_of_128_bits_over_a_compact_json_array() -> None:
    assert ids.digest("ab", 1) == hashlib.blake2b(b'["ab",1]', digest_size=16).hexdigest()


@given(PARTS, PARTS)
def test_other_parts_give_another_digest(left: list[str | int], right: list[str | int]) -> None:
    assert (ids.digest(*left) == ids.digest(*right)) == (left == right)


def test_the_two_sides_of_an_action_have_orders_of_their_own() -> None:
    assert ids.client_order_id("l", "a", "bid") != ids.client_order_id("l", "a", "ask")


def test_another_ledger_has_other_client_order_ids() -> None:
    assert ids.client_order_id("l", "a", "bid") != ids.client_order_id("m", "a", "bid")


@pytest.mark.parametrize(
    ("client_id", "ours"),
    [(ids.client_order_id("l", "a", "bid"), True), ("tb1-x", True), ("tb2-x", False), ("", False), (None, False)],
)
def test_only_orders_with_our_prefix_are_ours(client_id: str | None, ours: bool) -> None:
    assert ids.is_ours(client_id) is ours
