"""A Kafka broker for tests: the address in ``TRUEBOOK_TEST_KAFKA``, else a container for the session, else a skip.

The container has two listeners: the one for the host is advertised under the published port, so it is chosen
first; the other lets the broker reach itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

ADDRESS = "TRUEBOOK_TEST_KAFKA"
IMAGE = "apache/kafka:4.3.1"
READY_WITHIN_S = 120.0
HEAP = "-Xms256m -Xmx512m"
QUICK_TO_START = {"KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
"""The simple compiler and collector: a test's broker does not live long enough for the others."""


@contextmanager
def broker(*, as_deployed: bool = False) -> Iterator[str]:
    """Give the address of a running broker; skips the test with the reason where there is none.

    With ``as_deployed`` it starts slower and then runs as in a deployment, for measurements.
    """
    if ADDRESS in os.environ:
        yield os.environ[ADDRESS]
        return
    container = start_broker(as_deployed=as_deployed)
    try:
        yield container.address
    finally:
        container.stop()


class BrokerContainer:
    """One broker in a container; restartable under the same address.

    ``settings`` go over those that it has; ``client`` is what a client needs to be let in.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, client: Mapping[str, Any] | None = None, *,
        as_deployed: bool = False,
    ) -> None:  # fmt: skip
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # the container is stopped by its owner, whatever happens
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._client = dict(client or {})
        container: Any = DockerContainer(IMAGE).with_bind_ports(self.port, self.port)
        given = _settings(self.port) | ({} if as_deployed else QUICK_TO_START) | dict(settings or {})
        for name, value in given.items():
            container = container.with_env(name, value)
        # As root: the image's own files may be read-only to its user, and it copies them, mode and all.
        self._container = container.with_kwargs(user="root")

    def start(self) -> None:
        self._container.start()
        try:
            asyncio.run(_wait_until_ready(self.address, self._client))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._container.stop()

    def run(self, *command: str) -> None:
        """Run a command in the container; raises with its output if it fails."""
        code, output = self._container.get_wrapped_container().exec_run(command)
        if code != 0:
            raise AssertionError(f"{command[0]}: {output.decode(errors='replace')}")

    def pause(self) -> None:
        """Freeze the broker: connections stay open without responses. A busy machine may need several attempts."""
        from docker.errors import APIError

        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self._container.get_wrapped_container().pause()
                return
            except APIError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def unpause(self) -> None:
        self._container.get_wrapped_container().unpause()

    def shut_down(self) -> None:
        """End the broker: its connections close, and new ones are refused until ``start_again``."""
        self._container.get_wrapped_container().stop(timeout=3)

    def start_again(self) -> None:
        """Start it with its data after ``shut_down``."""
        self._container.get_wrapped_container().start()
        asyncio.run(_wait_until_ready(self.address, self._client))

    def restart(self) -> None:
        """Restart it with its data."""
        self._container.get_wrapped_container().restart(timeout=3)
        asyncio.run(_wait_until_ready(self.address, self._client))


def start_broker(
    settings: Mapping[str, str] | None = None, client: Mapping[str, Any] | None = None, *, as_deployed: bool = False
) -> BrokerContainer:
    """Start a broker of one's own, to be stopped by the caller; skips with the reason where none can be had."""
    docker = pytest.importorskip("docker", reason="testcontainers is not installed")
    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no {ADDRESS}, and no Docker engine responds: {error}")
    container = BrokerContainer(settings, client, as_deployed=as_deployed)
    try:
        container.start()
    except docker.errors.APIError as error:
        pytest.skip(f"no {ADDRESS}, and the image {IMAGE} is not to be had: {error}")
    return container


async def create_topic(address: str, name: str, partitions: int, **configs: str) -> None:
    """Create one topic and wait until clients see it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        async with asyncio.timeout(READY_WITHIN_S):  # the broker lists a new topic a moment later
            while name not in await admin.list_topics():
                await asyncio.sleep(0.05)
    finally:
        await admin.close()


def _settings(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"INSIDE://:9092,HOST://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INSIDE://localhost:9092,HOST://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_HEAP_OPTS": HEAP,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _wait_until_ready(address: str, options: Mapping[str, Any]) -> None:
    """Wait until the broker responds to a client; it still warms up then, which the bus must tolerate."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        client = AIOKafkaAdminClient(**{"bootstrap_servers": address, **options})
        try:
            await client.start()
            await client.list_topics()
            return
        except (KafkaError, OSError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        finally:
            await client.close()
