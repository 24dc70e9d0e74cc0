"""How a process connects to Kafka: the settings that its producer, consumers and admin client share."""

from __future__ import annotations

import ssl
from typing import Any, Final, Literal

import msgspec

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]
Compression = Literal["gzip", "lz4", "snappy", "zstd"]

REQUEST_TIMEOUT_S: Final = 30.0
"""Above the duration of a rebalance: joining a group is one request that lasts as long."""
REBALANCE_WITHIN_S: Final = 10.0
"""How long a group waits for a member to release its partitions before it is removed."""


class KafkaConnection(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses, credentials and the configurable settings; the others are constants, chosen by measurement."""

    servers: str
    """``host:port``, separated by commas."""
    user: str | None = None
    password: str | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    """SASL mechanism; PLAIN only with TLS."""
    tls: bool = False
    instance: str | None = None
    """Static group member name: the process keeps its partitions over a restart."""
    session_s: float = 6.0
    """Session timeout of a member. Brokers accept 6 s or more unless configured otherwise."""
    compression: Compression | None = None

    def options(self) -> dict[str, Any]:
        """Return the arguments that every aiokafka client takes."""
        protocol = ("SASL_SSL" if self.tls else "SASL_PLAINTEXT") if self.user else "SSL" if self.tls else "PLAINTEXT"
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "client_id": f"truebook-{self.instance}" if self.instance else "truebook",
            "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000),
            "security_protocol": protocol,
        }
        if self.tls:
            options["ssl_context"] = ssl.create_default_context()
        if self.user:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password or "",
            }
        return options
