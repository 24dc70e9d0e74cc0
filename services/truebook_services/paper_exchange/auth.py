"""Authenticates requests by their signature, and makes a key pair if the settings name no key.

A request carries the key's id, a time in milliseconds and a signature over ``time + METHOD + path`` (without the
query). RSA keys sign with PSS and SHA-256, Ed25519 keys sign the text itself. Times are checked against the exchange's
own clock; with a recording, whose time is another one, the machine's clock is valid as well.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from truebook.files import write_atomically
from truebook.simulation.venue.subaccount_names import is_plain
from truebook_services.paper_exchange.errors import nested, unauthenticated
from truebook_services.paper_exchange.settings import PaperExchangeSettings

KEY_HEADER: Final = "kalshi-access-key"
TIME_HEADER: Final = "kalshi-access-timestamp"
SIGNATURE_HEADER: Final = "kalshi-access-signature"
PRIVATE_FILE: Final = "exchange-key.pem"
ID_FILE: Final = "exchange-key-id"
"""Files of the exchange's own key pair, in its state folder."""
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", re.ASCII)
_MILLISECONDS: Final = re.compile(r"\d{1,18}", re.ASCII)
ALL_SCOPES: Final = ("read", "write")
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)

PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class KeyFileError(ValueError):
    """A key file cannot be used; the message names the file, the cause and the remedy."""


class AccountKey(NamedTuple):
    """An account's API key; ``private_key_file`` is None if the exchange did not make the pair."""

    account: str
    key_id: str
    private_key_file: Path | None


class _KnownKey(NamedTuple):
    key: PublicKey | None
    account: str
    scopes: tuple[str, ...]
    subaccount: int | None = None


class Authenticator:
    """The keys, each with its account."""

    def __init__(
        self, *, max_age_s: float, max_ahead_s: float, verify: bool = True, wall_us: Callable[[], int] | None = None
    ) -> None:
        self._max_age_ms = int(max_age_s * 1000)
        self._max_ahead_ms = int(max_ahead_s * 1000)
        self._verify = verify
        self._wall_us = wall_us
        self._keys: dict[str, _KnownKey] = {}

    def add_key(
        self, key_id: str, key: PublicKey | None, account: str, scopes: tuple[str, ...] = ALL_SCOPES,
        subaccount: int | None = None,
    ) -> None:  # fmt: skip
        """Let ``key_id`` sign for ``account``; the key may be None only if signatures are not verified.

        With a ``subaccount``, it may use that one only.
        """
        self._keys[key_id] = _KnownKey(key, account, scopes, subaccount)

    def remove_key(self, key_id: str) -> None:
        """Refuse the key from now on; no effect if it is unknown."""
        self._keys.pop(key_id, None)

    def check_scope(self, headers: Mapping[str, str], operation: str, sufficient: tuple[str, ...]) -> None:
        """Refuse a signed request whose key has none of the sufficient scopes: raises ``WireError`` (403)."""
        known = self._keys.get(headers.get(KEY_HEADER, ""))
        if known is None or set(sufficient).isdisjoint(known.scopes):
            raise nested(403, "forbidden", f"this API key has no scope for {operation}")

    def locked_of(self, headers: Mapping[str, str]) -> int | None:
        """Return the only subaccount that a request's key may use; None: all."""
        known = self._keys.get(headers.get(KEY_HEADER, ""))
        return None if known is None else known.subaccount

    def owner_of(self, headers: Mapping[str, str]) -> str:
        """Return the account of the key that a request names, signed or not; empty for an unknown key."""
        known = self._keys.get(headers.get(KEY_HEADER, ""))
        return "" if known is None else known.account

    def key_ids_of(self, account: str) -> list[str]:
        """List the keys that may sign for an account, in the order in which they were added."""
        return [key_id for key_id, known in self._keys.items() if known.account == account]

    def account_of(self, headers: Mapping[str, str], method: str, path: str, now_us: int) -> str:
        """Return the account that signed this request; raises ``WireError`` (401) with the exchange's error body."""
        key_id, timestamp, signature = (headers.get(name) for name in (KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER))
        if not key_id or not timestamp or not signature:
            raise unauthenticated("signature_is_missing_from_headers")
        if _MILLISECONDS.fullmatch(timestamp) is None or not self._is_current(int(timestamp), now_us):
            raise unauthenticated("header_timestamp_expired")
        known = self._keys.get(key_id)
        if known is None:
            raise unauthenticated("authentication_error", "NOT_FOUND")
        if self._verify and not _is_signed(known.key, signature, f"{timestamp}{method.upper()}{path}".encode()):
            raise unauthenticated("authentication_error", "INCORRECT_API_KEY_SIGNATURE")
        return known.account

    def _is_current(self, signed_ms: int, now_us: int) -> bool:
        clocks_us = (now_us,) if self._wall_us is None else (now_us, self._wall_us())
        ages_ms = (clock_us // 1000 - signed_ms for clock_us in clocks_us)
        return any(-self._max_ahead_ms <= age_ms <= self._max_age_ms for age_ms in ages_ms)


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
    """Read a PEM file with an RSA or Ed25519 public key, or a private key, of which the public half is used."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file}: {error.strerror}; set the PEM file of the public key") from error
    try:
        if b"PRIVATE KEY" in pem:
            # Not tested for prime factors, which takes 60 ms of the start: the public half has none.
            private = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
            key = private.public_key()
        else:
            key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{file}: not an unencrypted PEM key ({error})") from error
    if not isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        raise KeyFileError(f"{file}: only RSA and Ed25519 keys are supported; this is a {type(key).__name__}")
    return key


def ensure_key_pair(folder: Path, account: str = "") -> tuple[str, Path]:
    """Return (key id, private key file) of a key pair in ``folder``; the first call makes it.

    A further account's files end in its name. The pair is RSA, which every client supports; only its owner can read
    the private key.
    """
    existing = read_key_pair(folder, account)
    private_file, id_file = _key_files(folder, account)
    if existing is None:
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomically(private_file, pem)
        write_atomically(id_file, str(uuid.uuid4()).encode() + b"\n")
    return existing or (id_file.read_text(encoding="ascii").strip(), private_file)


def read_key_pair(folder: Path, account: str = "") -> tuple[str, Path] | None:
    """Return (key id, private key file) of the key pair in ``folder``; None if it has none."""
    private_file, id_file = _key_files(folder, account)
    if not (private_file.exists() and id_file.exists()):
        return None
    return id_file.read_text(encoding="ascii").strip(), private_file


def _key_files(folder: Path, account: str) -> tuple[Path, Path]:
    private_file, id_file = folder / PRIVATE_FILE, folder / ID_FILE
    if not account:
        return private_file, id_file
    return private_file.with_stem(f"{private_file.stem}-{account}"), id_file.with_name(f"{ID_FILE}-{account}")


def check_key_settings(settings: PaperExchangeSettings) -> None:
    """Check what does not depend on the history, before it is opened; raises ``KeyFileError``."""
    if (settings.key_id is None) != (settings.public_key_file is None) and (
        settings.key_id is None or settings.verify_signatures
    ):
        raise KeyFileError("paper_exchange.key_id and public_key_file belong together: set both or neither")
    if not is_plain(settings.account):
        raise KeyFileError(f"paper_exchange.account: {settings.account!r} has a '/', which names subaccounts")
    for number, account in enumerate(settings.accounts):
        if _ACCOUNT.fullmatch(account) is None or account in (settings.account, *settings.accounts[:number]):
            raise KeyFileError(
                f"paper_exchange.accounts: {account!r} is no name, or listed twice; use letters, digits, -"
            )


def build_authenticator(
    settings: PaperExchangeSettings, wall_us: Callable[[], int] | None = None
) -> tuple[Authenticator, tuple[AccountKey, ...]]:
    """Build the authenticator; returns it with each account's key. Raises ``KeyFileError``.

    ``wall_us`` is a further clock by which requests may be signed.
    """
    authenticator = Authenticator(
        max_age_s=settings.signature_max_age_s,
        max_ahead_s=settings.signature_max_ahead_s,
        verify=settings.verify_signatures,
        wall_us=wall_us,
    )
    key, named = _first_key(settings)
    authenticator.add_key(named.key_id, key, named.account)
    keys = [named]
    for account in settings.accounts:
        named = _made_key(settings, account, account)
        authenticator.add_key(named.key_id, load_public_key(_private_file(named)), account)
        keys.append(named)
    return authenticator, tuple(keys)


def _first_key(settings: PaperExchangeSettings) -> tuple[PublicKey | None, AccountKey]:
    """Return the first account's public key, and its name; a key pair is made where the settings name none."""
    key_id = settings.key_id
    if key_id is not None and settings.public_key_file is not None:
        return load_public_key(settings.public_key_file), AccountKey(settings.account, key_id, None)
    if key_id is not None and not settings.verify_signatures:
        return None, AccountKey(settings.account, key_id, None)
    named = _made_key(settings, settings.account, "")
    return load_public_key(_private_file(named)), named


def _made_key(settings: PaperExchangeSettings, account: str, suffix: str) -> AccountKey:
    if settings.state_folder is None:
        raise KeyFileError("a key pair needs a state folder: set one, or set a key id and a public key")
    key_id, private_file = ensure_key_pair(settings.state_folder, suffix)
    return AccountKey(account, key_id, private_file)


def _private_file(key: AccountKey) -> Path:
    assert key.private_key_file is not None, "a made pair has its file"
    return key.private_key_file
