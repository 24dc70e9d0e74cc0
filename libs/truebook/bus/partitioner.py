"""The partition of a key, by the hash of Kafka's default partitioner (murmur2).

Of a key with a separator only the text before it counts: every key that begins with a ticker is with its market.
The in-process bus and Kafka must put a market into the same partition, whichever client published it: epochs and
ownership are per partition.
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

from truebook.messages.envelope import KEY_SEPARATOR


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Return the partition, 0..partitions - 1. The sign bit is masked off, not negated: as Kafka's ``toPositive``."""
    return int(murmur2(key.partition(KEY_SEPARATOR)[0].encode()) & 0x7FFFFFFF) % partitions
