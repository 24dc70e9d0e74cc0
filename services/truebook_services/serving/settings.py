"""What a service that runs alone is told: the common settings, and where Kafka, Redis and the exchange are."""

from __future__ import annotations

from truebook.bus.kafka_connection import KafkaConnection
from truebook.runtime.settings import SettingsError, TruebookSettings


class ServeSettings(TruebookSettings):
    """Subclasses add the section of their service."""

    crash_at: str | None = None
    """For crash tests: LABEL[:COUNT], see ``serving/crash.py``."""


def kafka_connection(settings: TruebookSettings, *, instance: str | None = None) -> KafkaConnection:
    """How this process reaches Kafka; raises ``SettingsError`` where it was not told. ``instance`` goes before the
    setting of that name."""
    if not settings.kafka_servers:
        raise SettingsError(["TRUEBOOK_KAFKA_SERVERS is needed: host:port of a Kafka broker"])
    if settings.kafka_user and not settings.kafka_password_file:
        raise SettingsError(["TRUEBOOK_KAFKA_PASSWORD_FILE is needed for TRUEBOOK_KAFKA_USER"])
    if settings.kafka_user and settings.kafka_mechanism == "PLAIN" and not settings.kafka_tls:
        raise SettingsError(
            ["TRUEBOOK_KAFKA_MECHANISM=PLAIN shows the password to the network: set TRUEBOOK_KAFKA_TLS"]
        )
    return KafkaConnection(
        servers=settings.kafka_servers, user=settings.kafka_user, password=settings.kafka_password(),
        mechanism=settings.kafka_mechanism, tls=settings.kafka_tls, instance=instance or settings.instance,
        session_s=settings.kafka_session_s, compression=settings.kafka_compression,
    )  # fmt: skip


def redis_address(settings: TruebookSettings) -> str:
    """The ledger's address; raises ``SettingsError`` where there is none."""
    if settings.redis_url is None:
        raise SettingsError(["TRUEBOOK_REDIS_URL is needed: the ledger that all services share"])
    return settings.redis_url


def exchange_address(settings: TruebookSettings) -> str:
    """The exchange's root address; raises ``SettingsError`` where there is none."""
    if settings.exchange_url is None:
        raise SettingsError(["TRUEBOOK_EXCHANGE_URL is needed, such as http://exchange:8080"])
    return settings.exchange_url.rstrip("/").removesuffix("/trade-api/v2")
