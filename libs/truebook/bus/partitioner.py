"""The partition of a key, by the hash of Kafka's default partitioner (murmur2).

Of a key with a separator only the text before it counts: every key that begins with a ticker is with its market.
The in-process bus and Kafka must put a market into the same partition, whichever client published it: epochs and
ownership are per partition.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from truebook.messages.envelope import KEY_SEPARATOR

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the 32 bits of MurmurHash2 with the seed of Kafka's Java client (``Utils.murmur2``), unsigned.

    Here rather than from a Kafka client: the in-process bus has none, and importing one takes 40 ms.
    """
    found = _SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _FACTOR & _MASK
        word = (word ^ word >> 24) * _FACTOR & _MASK
        found = found * _FACTOR & _MASK ^ word
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    found = (found ^ found >> 13) * _FACTOR & _MASK
    return found ^ found >> 15


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition, 0..partitions - 1. The sign bit is masked off, not negated: as Kafka's ``toPositive``."""
    return (murmur2(key.partition(KEY_SEPARATOR)[0].encode()) & 0x7FFFFFFF) % partitions
