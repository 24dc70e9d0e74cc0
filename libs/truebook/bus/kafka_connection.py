"""How a process reaches Kafka: one record of what all of its clients (producer, consumers, admin) are told alike."""

from __future__ import annotations

import ssl
from typing import Any, Final, Literal

import msgspec

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]
Compression = Literal["gzip", "lz4", "snappy", "zstd"]

REQUEST_TIMEOUT_S: Final = 30.0
"""Above the time that a rebalance may take: joining a group is one request that lasts as long."""
REBALANCE_WITHIN_S: Final = 10.0
"""So long the others of a group wait for a member to give its partitions up, then it is left out."""


class KafkaConnection(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses, credentials and the few settings that matter; the rest is fixed by measurement."""

    servers: str
    """``host:port``, with commas between several."""
    user: str | None = None
    password: str | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    """How user and password are shown; PLAIN only where TLS hides it."""
    tls: bool = False
    instance: str | None = None
    """Names this process for good: it then keeps its partitions over a restart (static membership)."""
    session_s: float = 6.0
    """A member that has been silent for so long is dead. Brokers take 6 s at least unless they are told otherwise."""
    compression: Compression | None = None

    def options(self) -> dict[str, Any]:
        """Answer the arguments that every client of aiokafka takes."""
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
