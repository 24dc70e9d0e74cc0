from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.bus.partitioner import murmur2, partition_of
from truebook.messages.envelope import KEY_SEPARATOR

# The vectors of Kafka's own UtilsTest.testMurmur2, signed 32 bit.
VECTORS = [
    ("21", -973932308),
    ("foobar", -790332482),
    ("a-little-bit-long-string", -985981536),
    ("a-little-bit-longer-string", -1486304829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ("abc", 479470107),
]

# Made with ``aiokafka.partitioner.murmur2``: every length of the last part, bytes with the highest bit, tickers.
VALUES = [
    (b"", 0x106E08D9),
    (b"\x00", 0x166197BC),
    (b"\xff", 0xED6F615B),
    (b"\xff\xfe", 0x6660FE8B),
    (b"\xff\xfe\xfd", 0x3B85FE24),
    (b"\x80\x81\x82\x83", 0x54ABFD9A),
    (b"\x00\x00\x00\x00\x00", 0x0FB141CF),
    (b"KXHIGHNY-26NOV24-B52", 0x6BF2443F),
    (b"KXBTC15M-26DEC011530-30", 0x613797A5),
    ("ü€𝄞".encode(), 0x3CB1E878),
    (bytes(range(256)), 0x8BDE9476),
]


@pytest.mark.parametrize(("data", "value"), VALUES)
def test_the_hash_of_bytes_is_that_of_the_clients(data: bytes, value: int) -> None:
    assert murmur2(data) == value


@pytest.mark.parametrize(("text", "signed"), VECTORS)
def test_kafkas_own_vectors_are_the_hash_as_a_signed_number(text: str, signed: int) -> None:
    assert murmur2(text.encode()) == signed % 2**32


@pytest.mark.parametrize(("text", "signed"), VECTORS)
def test_kafkas_own_vectors_with_the_sign_bit_masked_off(text: str, signed: int) -> None:
    assert partition_of(text, 10_007) == (signed & 0x7FFFFFFF) % 10_007


@given(st.text(), st.integers(1, 200))
def test_every_key_always_has_the_same_partition_in_range(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(key, partitions)


def test_market_keys_spread_over_the_partitions() -> None:
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of(f"KXHIGHNY-26NOV24-B{number}", 8)] += 1
    assert min(counts) > 800


@given(st.text().filter(lambda ticker: KEY_SEPARATOR not in ticker), st.text(), st.integers(1, 200))
def test_a_key_that_begins_with_a_ticker_is_with_its_market(ticker: str, name: str, partitions: int) -> None:
    assert partition_of(f"{ticker}{KEY_SEPARATOR}{name}", partitions) == partition_of(ticker, partitions)
