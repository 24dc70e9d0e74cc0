"""Who is asking: signatures of requests, and the key pair that the exchange makes when it is given none.

A request carries the key's id, a time in milliseconds and a signature over ``time + METHOD + path`` (without the
query). RSA keys sign by PSS with SHA-256, Ed25519 keys as they are. Times are judged by the exchange's own clock.
"""

from __future__ import annotations

import base64
import binascii
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from truebook_services.paper_exchange.errors import unauthenticated

KEY_HEADER: Final = "kalshi-access-key"
TIME_HEADER: Final = "kalshi-access-timestamp"
SIGNATURE_HEADER: Final = "kalshi-access-signature"
PRIVATE_FILE: Final = "exchange-key.pem"
ID_FILE: Final = "exchange-key-id"
"""The exchange's own pair, in its folder."""
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class KeyFileError(ValueError):
    """A key file can't be used; the message says which, why, and what to do."""


class Authenticator:
    """Knows the keys and the accounts that they speak for."""

    def __init__(self, *, behind_s: float, ahead_s: float, verify: bool = True) -> None:
        self._behind_ms = int(behind_s * 1000)
        self._ahead_ms = int(ahead_s * 1000)
        self._verify = verify
        self._keys: dict[str, tuple[PublicKey | None, str]] = {}

    def admit(self, key_id: str, key: PublicKey | None, account: str) -> None:
        """Let ``key_id`` speak for ``account``; without a key only where signatures are not verified."""
        self._keys[key_id] = (key, account)

    def account_of(self, headers: Mapping[str, str], method: str, path: str, now_us: int) -> str:
        """Answer the account that signed this request; raises ``WireError`` (401) as the exchange would answer."""
        key_id, stamp, signature = (headers.get(name) for name in (KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER))
        if not key_id or not stamp or not signature:
            raise unauthenticated("signature_is_missing_from_headers")
        if not stamp.isascii() or not stamp.isdigit():
            raise unauthenticated("header_timestamp_expired")
        behind_ms = now_us // 1000 - int(stamp)
        if behind_ms > self._behind_ms or -behind_ms > self._ahead_ms:
            raise unauthenticated("header_timestamp_expired")
        if key_id not in self._keys:
            raise unauthenticated("authentication_error", "NOT_FOUND")
        key, account = self._keys[key_id]
        if self._verify and not _is_signed(key, signature, f"{stamp}{method.upper()}{path}".encode()):
            raise unauthenticated("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
        return account


def _is_signed(key: PublicKey | None, signature: str, message: bytes) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, message, _PSS, hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(raw, message)
        else:
            return False
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def load_public_key(file: Path) -> PublicKey:
    """Read a PEM file with an RSA or Ed25519 public key (or a private key, whose public half is taken)."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; give the PEM file of the public key") from error
    try:
        if b"PRIVATE KEY" in pem:
            key = serialization.load_pem_private_key(pem, password=None).public_key()
        else:
            key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{file}: no unencrypted PEM key ({error})") from error
    if not isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise KeyFileError(f"{file}: only RSA and Ed25519 keys can sign; this is a {type(key).__name__}")
    return key


def own_pair(folder: Path) -> tuple[str, Path]:
    """Answer (key id, private key file) of the pair that lies in ``folder``, making it on the first call.

    The pair is RSA, which every client can use; the private key is readable by its owner only.
    """
    existing = existing_pair(folder)
    private_file, id_file = folder / PRIVATE_FILE, folder / ID_FILE
    if existing is None:
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write_private(private_file, pem)
        _write_private(id_file, str(uuid.uuid4()).encode() + b"\n")
    return existing or (id_file.read_text(encoding="ascii").strip(), private_file)


def existing_pair(folder: Path) -> tuple[str, Path] | None:
    """Answer the pair that lies in ``folder``; null where none was made there."""
    private_file, id_file = folder / PRIVATE_FILE, folder / ID_FILE
    if not (private_file.exists() and id_file.exists()):
        return None
    return id_file.read_text(encoding="ascii").strip(), private_file


def _write_private(file: Path, content: bytes) -> None:
    """Write through a temporary file that was never readable by others."""
    temporary = file.with_suffix(file.suffix + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(file)
