"""Packing records into batches: by partition, in order, none split."""

from __future__ import annotations

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from truebook.bus.kafka.publisher import in_batches
from truebook.bus.partitioner import partition_of

PARTITIONS = 4
BATCH_BYTES = 1_000


class Producer:
    """Creates small batches of the client's own class."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)


def packed(records: list[tuple[str, bytes]]) -> list[tuple[int, list[tuple[str, bytes]]]]:
    """(partition, records) of each batch, as a broker would read them."""
    return [
        (partition, [(record.key.decode(), record.value) for record in DefaultRecordBatch(bytes(batch._build()))])
        for partition, batch in in_batches(Producer(), records, PARTITIONS)  # type: ignore[arg-type]
    ]


RECORDS = [(f"market-{number % 13}", b"%06d" % number * 8) for number in range(500)]


def test_each_record_goes_to_the_partition_of_its_key_once() -> None:
    found = [(partition, *record) for partition, records in packed(RECORDS) for record in records]
    assert sorted(found) == sorted((partition_of(key, PARTITIONS), key, value) for key, value in RECORDS)


def test_the_records_of_a_key_stay_in_order_over_full_batches() -> None:
    flat = [record for _, records in packed(RECORDS) for record in records]
    assert len(packed(RECORDS)) > PARTITIONS, "batches have filled up"
    for name in {key for key, _ in RECORDS}:
        assert [value for key, value in flat if key == name] == [value for key, value in RECORDS if key == name]


def test_a_record_larger_than_a_batch_has_one_of_its_own() -> None:
    large = b"x" * (2 * BATCH_BYTES)
    assert (partition_of("b", PARTITIONS), [("b", large)]) in packed([("a", b"1"), ("b", large), ("a", b"2")])
