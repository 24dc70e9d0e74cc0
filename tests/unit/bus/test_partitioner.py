from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.bus.partitioner import murmur2, partition_of

# The vectors of Kafka's own UtilsTest.testMurmur2, signed 32 bit.
VECTORS = [
    ("21", -973932308),
    ("foobar", -790332482),
    ("a-little-bit-long-string", -985981536),
    ("a-little-bit-longer-string", -1486304829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ("abc", 479470107),
]


@pytest.mark.parametrize(("text", "expected"), VECTORS)
def test_murmur2_gives_kafkas_own_vectors(text: str, expected: int) -> None:
    assert murmur2(text.encode()) == expected & 0xFFFFFFFF


@pytest.mark.parametrize(("text", "signed"), VECTORS)
def test_the_sign_bit_is_masked_off_and_not_negated(text: str, signed: int) -> None:
    assert partition_of(text, 10_007) == (signed & 0x7FFFFFFF) % 10_007


@given(st.text(), st.integers(1, 200))
def test_every_key_has_a_partition_in_range_and_always_the_same(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_market_keys_spread_over_the_partitions() -> None:
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of(f"KXHIGHNY-26NOV24-B{number}", 8)] += 1
    assert min(counts) > 800
