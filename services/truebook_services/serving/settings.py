"""Settings of a service as its own process, and the addresses that it derives from them."""

from __future__ import annotations

import socket

from pydantic import ConfigDict

from truebook.bus.kafka.connection import KafkaConnection
from truebook.kalshi.hosts import root_address
from truebook.runtime.settings import HOST_NAME, Section, SettingsError, TruebookSettings


class LayoutSection(Section):
    """The part of the section ``observation`` that other services need as well; they ignore its other settings."""

    model_config = ConfigDict(extra="ignore")

    layout: str = "m1"
    """The layout of the feature vectors; the model must have been made for it."""


class ModelSection(Section):
    """The part of the section ``policy`` that other services need as well; they ignore its other settings."""

    model_config = ConfigDict(extra="ignore")

    model: str = ""
    """The registered model that decides, whichever is active in the registry; empty follows the registry."""


class ServeSettings(TruebookSettings):
    """The common settings. Subclasses add the section of their service."""

    crash_at: str | None = None
    """For crash tests only: ``LABEL[:COUNT]``, the point at which the process kills itself."""


def kafka_connection(settings: TruebookSettings, *, instance: str | None = None) -> KafkaConnection:
    """Return how to connect to Kafka; raises ``SettingsError``. ``instance`` overrides the setting of that name."""
    if not settings.kafka_servers:
        raise SettingsError(["TRUEBOOK_KAFKA_SERVERS is needed: host:port of a Kafka broker"])
    if settings.kafka_user and not settings.kafka_password_file:
        raise SettingsError(["TRUEBOOK_KAFKA_PASSWORD_FILE is needed for TRUEBOOK_KAFKA_USER"])
    if settings.kafka_user and settings.kafka_mechanism == "PLAIN" and not settings.kafka_tls:
        raise SettingsError(["TRUEBOOK_KAFKA_MECHANISM=PLAIN sends the password in clear text: set TRUEBOOK_KAFKA_TLS"])
    return KafkaConnection(
        servers=settings.kafka_servers, user=settings.kafka_user, password=settings.kafka_password(),
        mechanism=settings.kafka_mechanism, tls=settings.kafka_tls, instance=instance or _member_name(settings),
        session_s=settings.kafka_session_s, compression=settings.kafka_compression,
    )  # fmt: skip


def _member_name(settings: TruebookSettings) -> str | None:
    """Return this process's name in consumer groups."""
    if settings.instance is None:
        return None
    return settings.instance.replace(HOST_NAME, socket.gethostname())


def redis_address(settings: TruebookSettings) -> str:
    """Return the ledger's address; raises ``SettingsError`` if it is missing."""
    if settings.redis_url is None:
        raise SettingsError(["TRUEBOOK_REDIS_URL is needed: the ledger that all services share"])
    return settings.redis_url


def exchange_address(settings: TruebookSettings) -> str:
    """Return the exchange's root address; raises ``SettingsError`` if it is missing."""
    if settings.exchange_url is None:
        raise SettingsError(["TRUEBOOK_EXCHANGE_URL is needed, such as http://exchange:8080"])
    return root_address(settings.exchange_url)
