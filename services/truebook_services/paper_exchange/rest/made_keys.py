"""The keys that accounts made by the API: with a name, and scopes that each request needs.

Only public halves are kept, in a file beside the journal. Keys from the settings may do everything, and cannot be
deleted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from truebook.decoding import UNREADABLE
from truebook.files import write_atomically
from truebook_services.paper_exchange.auth import ALL_SCOPES, Authenticator, KeyFileError, PublicKey
from truebook_services.paper_exchange.errors import WireError, not_found
from truebook_services.paper_exchange.rest.request_bodies import invalid

FILE: Final = "api-keys.json"
MAX_KEYS: Final = 100
"""Keys that one account may make."""
MIN_RSA_BITS: Final = 2_048


class MadeKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that an account made."""

    key_id: str
    account: str
    name: str
    scopes: tuple[str, ...]
    public_key: str
    """PEM."""
    subaccount: int | None = None
    """The only subaccount that the key may use; None: all."""


class ApiKeys:
    """The keys that accounts made, known to the authenticator."""

    def __init__(self, authenticator: Authenticator, folder: Path | None) -> None:
        """Read the keys made before; raises ``KeyFileError``."""
        self._authenticator = authenticator
        self._file = None if folder is None else folder / FILE
        self._made: dict[str, MadeKey] = {}
        if self._file is not None and self._file.exists():
            self._read(self._file)

    def _read(self, file: Path) -> None:
        try:
            for key in msgspec.json.decode(file.read_bytes(), type=list[MadeKey]):
                self._keep(key, read_public_key(key.public_key))
        except (*UNREADABLE, WireError) as error:
            raise KeyFileError(
                f"{file}: damaged ({error}); restore it, or remove it: the keys that accounts made are unknown then"
            ) from error

    def of_account(self, account: str) -> list[dict[str, Any]]:
        """List an account's keys as the API shows them."""
        rows = []
        for key_id in self._authenticator.key_ids_of(account):
            made = self._made.get(key_id)
            name, scopes = ("default", ALL_SCOPES) if made is None else (made.name, made.scopes)
            row = {"api_key_id": key_id, "name": name, "scopes": list(scopes)}
            rows.append(row if made is None or made.subaccount is None else row | {"subaccount": made.subaccount})
        return rows

    def add(self, key: MadeKey, public_key: PublicKey) -> None:
        """Keep a new key; raises ``WireError`` beyond the limit."""
        if sum(one.account == key.account for one in self._made.values()) >= MAX_KEYS:
            raise invalid(f"an account has at most {MAX_KEYS} keys: delete one")
        self._keep(key, public_key)
        self._save()

    def delete(self, account: str, key_id: str) -> None:
        """Delete an account's key; raises ``WireError`` for an unknown one, and one from the settings."""
        made = self._made.get(key_id)
        if made is None or made.account != account:
            if key_id in self._authenticator.key_ids_of(account):
                raise invalid("this key is from the exchange's settings, and cannot be deleted")
            raise not_found()
        del self._made[key_id]
        self._authenticator.remove_key(key_id)
        self._save()

    def _keep(self, key: MadeKey, public_key: PublicKey) -> None:
        self._made[key.key_id] = key
        self._authenticator.add_key(key.key_id, public_key, key.account, key.scopes, key.subaccount)

    def _save(self) -> None:
        if self._file is not None:
            write_atomically(self._file, msgspec.json.encode(list(self._made.values())))


def read_public_key(pem: str) -> PublicKey:
    """Read a PEM public key; raises ``WireError`` for anything but RSA of at least 2048 bits and Ed25519."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise invalid("public_key: a PEM public key is required") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise invalid(f"public_key: RSA with at least {MIN_RSA_BITS} bits or Ed25519 is required")
    return key
