"""A broker like a managed cluster: TLS with its own authority, users by SASL, others refused."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Certificates, make_certificates
from support.kafka_broker import BrokerContainer, start_broker
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection, Mechanism
from truebook.bus.kafka.topics import TopicsAdmin
from truebook.bus.port import BusRefused
from truebook.messages.topics import SIGNALS

pytestmark = [pytest.mark.containers, pytest.mark.long]

USER, PASSWORD = "trader", "a long secret"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
MECHANISMS: tuple[Mechanism, ...] = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture(scope="module")
def authority(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_text(certificates.authority)
    return file


@pytest.fixture(scope="module")
def managed(certificates: Certificates, authority: Path) -> Iterator[BrokerContainer]:
    """A broker with one external user, and an internal listener without authentication."""
    settings = {
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,HOST:SASL_SSL,CONTROLLER:PLAINTEXT",
        "KAFKA_LISTENER_NAME_HOST_SASL_ENABLED_MECHANISMS": ",".join(MECHANISMS),
        "KAFKA_LISTENER_NAME_HOST_PLAIN_SASL_JAAS_CONFIG": PLAIN,
        "KAFKA_LISTENER_NAME_HOST_SCRAM___SHA___256_SASL_JAAS_CONFIG": SCRAM,
        "KAFKA_LISTENER_NAME_HOST_SCRAM___SHA___512_SASL_JAAS_CONFIG": SCRAM,
        "KAFKA_SSL_KEYSTORE_TYPE": "PEM",
        "KAFKA_SSL_KEYSTORE_CERTIFICATE_CHAIN": certificates.chain.replace("\n", "\\n"),
        "KAFKA_SSL_KEYSTORE_KEY": certificates.key.replace("\n", "\\n"),
    }
    client = connection("", "PLAIN").options() | {"ssl_context": ssl.create_default_context(cafile=str(authority))}
    del client["bootstrap_servers"]
    broker = start_broker(settings, client)
    try:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            broker.run(
                "/opt/kafka/bin/kafka-configs.sh", "--bootstrap-server", "localhost:9092", "--alter",
                "--entity-type", "users", "--entity-name", USER, "--add-config", f"{mechanism}=[password={PASSWORD}]",
            )  # fmt: skip
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def trusting(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process checks servers against the authority of the broker."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


def connection(servers: str, mechanism: Mechanism, password: str = PASSWORD) -> KafkaConnection:
    return KafkaConnection(
        servers=servers, user=USER, password=password, mechanism=mechanism, tls=True, session_s=3.0
    )  # fmt: skip


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_an_authenticated_user_publishes_and_reads(managed: BrokerContainer, mechanism: Mechanism) -> None:
    signed = connection(managed.address, mechanism)
    async with TopicsAdmin.connected(signed, 2) as admin:
        await admin.create()
    bus = await KafkaBus.connect(signed)
    try:
        value = uuid.uuid4().hex.encode()
        await bus.publish(SIGNALS, "M", value)
        consumer = await bus.consumer(f"reads-{mechanism}", [SIGNALS])
        seen: list[bytes] = []
        async with asyncio.timeout(30):
            while value not in seen:
                seen += [record.value for record in await consumer.poll(100, 0.25)]
    finally:
        await bus.aclose()


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_password_is_refused_at_once_and_not_retried(
    managed: BrokerContainer, mechanism: Mechanism
) -> None:
    with pytest.raises(BusRefused) as refused:
        async with asyncio.timeout(60):
            await KafkaBus.connect(connection(managed.address, mechanism, "wrong"))
    assert "wrong" not in str(refused.value)


async def test_a_broker_with_an_untrusted_authority_is_refused(managed: BrokerContainer) -> None:
    with pytest.raises(BusRefused, match="certificate"):
        async with asyncio.timeout(60):
            await KafkaBus.connect(connection(managed.address, "SCRAM-SHA-512"))


def test_the_command_line_reads_the_same_environment(managed: BrokerContainer, authority: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    environment = {
        "TRUEBOOK_KAFKA_SERVERS": managed.address, "TRUEBOOK_KAFKA_USER": USER, "TRUEBOOK_KAFKA_TLS": "true",
        "TRUEBOOK_KAFKA_PASSWORD_FILE": str(secret), "TRUEBOOK_KAFKA_PARTITIONS": "2",
        "SSL_CERT_FILE": str(authority), "PATH": str(Path(sys.executable).parent),
    }  # fmt: skip
    listed = subprocess.run(
        [sys.executable, "-m", "truebook_services.cli", "topics", "--create"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert "orderbook" in listed.stdout
    assert PASSWORD not in listed.stdout + listed.stderr
