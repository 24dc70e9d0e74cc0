"""Which partition a key belongs to: murmur2 exactly as Kafka's default partitioner computes it.

The in-process bus and Kafka must put a market into the same partition, whichever client wrote it, or epochs and
ownership per partition would mean different things on each bus.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Hash to 32 bits, unsigned; Kafka's ``Utils.murmur2`` is the same number read as signed."""
    length = len(data)
    hashed = (_SEED ^ length) & _MASK
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        word = (word ^ (word >> 24)) * _M & _MASK
        hashed = (hashed * _M & _MASK) ^ word
    if tail := data[whole:]:
        hashed = (hashed ^ int.from_bytes(tail, "little")) * _M & _MASK
    hashed = (hashed ^ (hashed >> 13)) * _M & _MASK
    return hashed ^ (hashed >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Answer the partition, 0..partitions - 1. The sign bit is masked off, not negated: as Kafka's ``toPositive``."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
