"""Servers for the ledger's tests: the bundled Valkey, and Redis 8 and Valkey 8.1 by address or container, else skipped.

The ladder for the two: the address in ``TRUEBOOK_TEST_REDIS_URL`` / ``TRUEBOOK_TEST_VALKEY_URL``, else a container if
a Docker engine responds, else the test is skipped with the reason.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from truebook.ledger.redis.bundled import BundledServer, BundledServerError, find_program

ADDRESS = {"redis": "TRUEBOOK_TEST_REDIS_URL", "valkey": "TRUEBOOK_TEST_VALKEY_URL"}
IMAGE = {"redis": "redis:8.0", "valkey": "valkey/valkey:8.1"}
SERVERS = ("bundled", "redis", "valkey")
READY_WITHIN_S = 60.0


@contextmanager
def running(name: str, folder: Path) -> Iterator[str]:
    """Yield the address of a running server of that name, or skip with the reason."""
    with ExitStack() as stack:
        if name == "bundled":
            yield stack.enter_context(_bundled(folder))
        elif ADDRESS[name] in os.environ:
            yield os.environ[ADDRESS[name]]
        else:
            yield stack.enter_context(_container(name))


@contextmanager
def _bundled(folder: Path) -> Iterator[str]:
    try:
        find_program()
    except BundledServerError as error:
        pytest.skip(str(error))
    server = asyncio.run(BundledServer.start(folder))
    try:
        yield server.url
    finally:
        asyncio.run(server.stop())


@contextmanager
def _container(name: str) -> Iterator[str]:
    with start_container(name) as (host, port):
        url = f"redis://{host}:{port}"
        _wait_until_ready(url)
        yield url


@contextmanager
def start_container(
    name: str, options: str = "", folders: Mapping[Path, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Start a server of one's own with further options and with folders to read; its host and port, ready or not.

    Skips the test with the reason where none can be had.
    """
    docker = pytest.importorskip("docker", reason="testcontainers is not installed")
    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no {ADDRESS[name]}, and no Docker engine responds: {error}")
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # the container is stopped below, whatever happens
    program = "valkey-server" if name == "valkey" else "redis-server"
    command = f"{program} --appendonly yes --appendfsync always --maxmemory-policy noeviction {options}"
    container = DockerContainer(IMAGE[name]).with_exposed_ports(6379).with_command(command.strip())
    for folder, inside in (folders or {}).items():
        container = container.with_volume_mapping(str(folder), inside, "ro")
    try:
        container.start()
    except docker.errors.APIError as error:
        pytest.skip(f"no {ADDRESS[name]}, and the image {IMAGE[name]} is not to be had: {error}")
    try:
        yield container.get_container_host_ip(), int(container.get_exposed_port(6379))
    finally:
        container.stop()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
                return
            except redis.exceptions.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
