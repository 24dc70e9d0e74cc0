"""Configuration errors of a service process: each is reported in one line, by ``/readyz`` or with the exit code.

The tests share one broker and depend on their order: at first it has no topics, in the last test it restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from support.bus_contract import take, values
from support.kafka_broker import BrokerContainer, create_topic, start_broker
from support.ledger_verbs import opened
from support.processes import truebook
from support.redis_servers import running
from support.service_processes import ServiceProcess, wait_until, wait_until_ready
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.port import BusUnavailable
from truebook.ledger.redis.store import RedisStore
from truebook.messages.topics import StartAt, Topic

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

WITHIN_S = 60.0
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerContainer]:
    broker = start_broker()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running("bundled", tmp_path_factory.mktemp("ledger") / "server") as url:
        yield url


def settings(broker: BrokerContainer, **more: str) -> dict[str, str]:
    return {"TRUEBOOK_KAFKA_SERVERS": broker.address, "TRUEBOOK_KAFKA_SESSION_S": "3", **more}


def ended(folder: Path, name: str, given: dict[str, str]) -> tuple[int, str]:
    """Run one service that must exit on its own; return its exit code and its last line."""
    process = ServiceProcess(folder, name, given)
    try:
        return process.process.wait(WITHIN_S), process.tail(1)
    finally:
        process.kill_9()


def test_an_unreachable_kafka_address_is_named_by_readyz(tmp_path: Path) -> None:
    process = ServiceProcess(tmp_path, "policy", {"TRUEBOOK_KAFKA_SERVERS": NOWHERE})
    try:
        wait_until(lambda: process.get("/readyz")[0] == 503, WITHIN_S, process.tail)
        assert f"waiting for Kafka at {NOWHERE}" in process.get("/readyz")[1]
        assert process.get("/livez")[0] == 200, "a supervisor need not restart it"
        assert process.terminate(WITHIN_S) == 0
        assert f"waiting for Kafka at {NOWHERE}" in process.log_file.read_text()
    finally:
        process.kill_9()


def test_a_service_waits_for_missing_topics_and_names_them(broker: BrokerContainer, tmp_path: Path) -> None:
    process = ServiceProcess(tmp_path, "policy", settings(broker))
    try:
        wait_until(lambda: "observations is missing" in process.get("/readyz")[1], WITHIN_S, process.tail)
        assert process.get("/readyz")[0] == 503
        created = truebook(tmp_path, "topics", "--create", **settings(broker))
        assert created.returncode == 0, created.stderr
        wait_until_ready([process])
        assert process.terminate(WITHIN_S) == 0
    finally:
        process.kill_9()


def test_another_partition_count_exits_with_3_and_what_to_set(broker: BrokerContainer, tmp_path: Path) -> None:
    code, line = ended(tmp_path, "policy", settings(broker, TRUEBOOK_KAFKA_PARTITIONS="5"))
    assert code == 3
    assert "has 4 partitions instead of 5" in line
    assert "TRUEBOOK_KAFKA_PARTITIONS" in line


def test_an_invalid_model_exits_with_2_and_names_the_file(broker: BrokerContainer, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "mine.onnx").write_text("not a model")
    given = settings(broker, TRUEBOOK_STATE_FOLDER=str(tmp_path), TRUEBOOK_POLICY__MODEL="mine")
    code, line = ended(tmp_path, "policy", given)
    assert code == 2
    assert "mine.onnx" in line


def test_a_model_of_another_layout_exits_with_2_and_what_to_set(broker: BrokerContainer, tmp_path: Path) -> None:
    given = settings(broker, TRUEBOOK_OBSERVATION__LAYOUT="c52", TRUEBOOK_OBSERVATION__THROTTLE_MS="300")
    code, line = ended(tmp_path, "policy", given)
    assert code == 2
    assert "it was made for layout m1, but the observations have c52: set TRUEBOOK_OBSERVATION__LAYOUT=m1" in line


def test_a_wrong_redis_password_exits_with_3_and_is_named(
    broker: BrokerContainer, redis_url: str, tmp_path: Path
) -> None:
    with redis.Redis.from_url(redis_url) as admin:
        admin.acl_setuser("trader", enabled=True, passwords=["+right"], categories=["+@all"], keys=["*"])
    (tmp_path / "password").write_text("wrong")
    joint = "&" if "?" in redis_url else "?"
    given = settings(
        broker, TRUEBOOK_REDIS_URL=f"{redis_url}{joint}username=trader",
        TRUEBOOK_REDIS_PASSWORD_FILE=str(tmp_path / "password"),
    )  # fmt: skip
    code, line = ended(tmp_path, "observation", given)
    assert code == 3
    assert "refuses this user" in line
    assert "wrong" not in line.partition("refuses")[0], "the password must not be printed"


def test_execution_refuses_a_redis_without_a_log_with_4(
    broker: BrokerContainer, redis_url: str, tmp_path: Path
) -> None:
    asyncio.run(open_account(redis_url))
    with redis.Redis.from_url(redis_url) as admin:
        admin.config_set("appendonly", "no")
    try:
        code, line = ended(tmp_path, "execution", settings(broker, TRUEBOOK_REDIS_URL=redis_url))
    finally:
        with redis.Redis.from_url(redis_url) as admin:
            admin.config_set("appendonly", "yes")
    assert code == 4
    assert "refusing to trade on this ledger server: appendonly is no" in line


async def test_a_restarted_broker_loses_nothing_and_is_found_again(broker: BrokerContainer) -> None:
    topic = Topic(name="orders-of-test", carries=(), start_at=StartAt.COMMITTED)
    await create_topic(broker.address, topic.name, 4)
    bus = await KafkaBus.connect(KafkaConnection(servers=broker.address, session_s=3))
    consumer = await bus.consumer("reader", [topic])
    await bus.publish(topic, "one", b"before")
    assert values(await take(consumer, 1)) == [b"before"]
    restarting = asyncio.create_task(asyncio.to_thread(broker.restart))
    publishing = asyncio.create_task(bus.publish(topic, "one", b"while it is down"))
    with pytest.raises(BusUnavailable):
        while True:
            await bus.probe()
            await asyncio.sleep(0.1)
    await restarting
    await publishing
    await bus.probe()
    await bus.publish(topic, "one", b"after")
    found: set[bytes] = set()
    async with asyncio.timeout(WITHIN_S):
        while not found >= {b"while it is down", b"after"}:
            found |= set(values(await consumer.poll(10, 0.5)))
    await bus.aclose()


async def open_account(url: str) -> None:
    store = await RedisStore.connect(url, "sim-main")
    await opened(store)
    await store.aclose()
