#!/usr/bin/env bash
# confluent-kafka: "if message:" is false for a tombstone of another client
#
# Guess: poll() returns None or a message; a message object is true. A tombstone (key with value None, written by
# aiokafka to a compacted topic) is a message like each other one.
# Seen: Message has a length, that of its value: a message without a value or with an empty one is false. A loop with
# "if message:" or "message or default" skips all tombstones; "is not None" sees them. The consumer of aiokafka gives
# true for the same record.
# Why it matters: A settled market is removed from a compacted topic by a tombstone. The reader that loses it keeps
# the market and its last price for good, while its offset and lag look right.
# Packages: confluent-kafka==2.16.1, aiokafka==0.14.0; recorded with Python 3.11
# Run: bash findings/stream-confluent-tombstone-is-false.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  confluent-kafka==2.16.1 \
  aiokafka==0.14.0
cat > "$work/expected.txt" <<'EXPECTED'
aiokafka 0 b'56' true: True
aiokafka 1 b'' true: True
aiokafka 2 None true: True
confluent 0 b'56' true: True error: None
confluent 1 b'' true: False error: None
confluent 2 None true: False error: None
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
import asyncio

import aiokafka
import confluent_kafka

owner = confluent_kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
broker = next(iter(owner.list_topics(timeout=10).brokers.values()))
address = f"{broker.host}:{broker.port}"


async def with_aiokafka():
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    for value in (b"56", b"", None):
        await producer.send_and_wait("markets", value, key=b"KXTEST-26-A", partition=0)
    await producer.stop()
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([aiokafka.TopicPartition("markets", 0)])
    for _ in range(3):
        record = await asyncio.wait_for(consumer.getone(), 30)
        print("aiokafka", record.offset, record.value, "true:", bool(record))
    await consumer.stop()


asyncio.run(with_aiokafka())
consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "one"})
consumer.assign([confluent_kafka.TopicPartition("markets", 0, 0)])
seen = 0
for _ in range(100):
    message = consumer.poll(0.3)
    if message is not None:
        print("confluent", message.offset(), message.value(), "true:", bool(message), "error:", message.error())
        seen += 1
        if seen == 3:
            break
consumer.close()
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
