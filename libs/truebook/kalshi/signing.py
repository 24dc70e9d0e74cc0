"""Request signatures: RSA-PSS (SHA-256, salt as long as the digest) and Ed25519, over ``ts_ms + METHOD + path``.

The path starts at the root (``/trade-api/v2/...``) and has no query; host and body are not signed (Kalshi API,
"API keys"). A key is read from a file that only its owner (and group, as Kubernetes mounts secrets) may read. Keys and
signatures are never logged or put into an error.
"""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from truebook.kalshi.hosts import KeyRefused, check_market_data_only, check_public_data

KEY_HEADER: Final = "KALSHI-ACCESS-KEY"
TIMESTAMP_HEADER: Final = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER: Final = "KALSHI-ACCESS-SIGNATURE"
MIN_RSA_BITS: Final = 2048


class Signer(Protocol):
    """Signs requests with one key."""

    @property
    def key_id(self) -> str: ...

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        """Return the three authentication headers at exchange time ``now_ms``; ``path`` is without query."""
        ...


class RsaSigner:
    """RSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes."""

    def __init__(self, key_id: str, key: RSAPrivateKey) -> None:
        self.key_id = key_id
        self._key = key
        self._padding = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        signature = self._key.sign(_message(method, path, now_ms), self._padding, hashes.SHA256())
        return _headers(self.key_id, now_ms, signature)


class Ed25519Signer:
    """Raw Ed25519."""

    def __init__(self, key_id: str, key: Ed25519PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        return _headers(self.key_id, now_ms, self._key.sign(_message(method, path, now_ms)))


def _message(method: str, path: str, now_ms: int) -> bytes:
    return f"{now_ms}{method}{path}".encode()


def _headers(key_id: str, now_ms: int, signature: bytes) -> dict[str, str]:
    return {
        KEY_HEADER: key_id,
        TIMESTAMP_HEADER: str(now_ms),
        SIGNATURE_HEADER: base64.b64encode(signature).decode(),
    }


class StubSigner:
    """Sends a constant signature: for exchanges in this process that verify none."""

    def __init__(self, key_id: str = "stub") -> None:
        self.key_id = key_id

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        return {KEY_HEADER: self.key_id, TIMESTAMP_HEADER: str(now_ms), SIGNATURE_HEADER: "stub"}


class _RestrictedSigner:
    """A key that signs only the requests that a check (method, path) accepts; the check raises for all else."""

    def __init__(self, signer: Signer, check: Callable[[str, str], None]) -> None:
        self._signer = signer
        self._check = check

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        self._check(method, path)
        return self._signer.headers(method, path, now_ms)


class MarketDataSigner(_RestrictedSigner):
    """A production key that signs only the upgrade of the market-data WebSocket; all else raises ``HostRefused``."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signer, check_market_data_only)


class PublicDataSigner(_RestrictedSigner):
    """A key that signs only reads of public market data and the WebSocket; all else raises ``HostRefused``."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signer, check_public_data)


def load_signer(key_id: str, pem_file: Path, *, is_made_here: bool = False) -> Signer:
    """Read a private key in PEM (RSA or Ed25519, no passphrase) and return its signer; raises ``KeyRefused``.

    ``is_made_here``: an RSA key of this process's own exchange, whose factors are not tested again, which takes 60 ms.
    """
    if not key_id.strip():
        raise KeyRefused("the key id is empty; it is the UUID that the exchange shows beside the key")
    if not (key_id.isascii() and key_id.isprintable()):
        raise KeyRefused(f"the key id {key_id!r} has characters that no HTTP header can carry; copy it again")
    try:
        mode = pem_file.stat().st_mode
        pem = pem_file.read_bytes()
    except OSError as error:
        raise KeyRefused(f"{pem_file}: can't read the private key: {error.strerror}") from error
    if mode & stat.S_IRWXO or mode & stat.S_IWGRP:
        raise KeyRefused(
            f"{pem_file}: others may access the private key (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {pem_file}"
        )
    try:
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=is_made_here)
    except TypeError as error:
        raise KeyRefused(f"{pem_file}: the private key has a passphrase; store it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"{pem_file}: not a private key in PEM format") from error
    if isinstance(key, RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise KeyRefused(f"{pem_file}: RSA key of {key.key_size} bits; at least {MIN_RSA_BITS} are needed")
        return RsaSigner(key_id, key)
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer(key_id, key)
    raise KeyRefused(f"{pem_file}: neither an RSA nor an Ed25519 key")
