"""Signed REST endpoints of API keys. A key is RSA or Ed25519: the exchange finds out which by the key itself.

A generated private key is shown once, as PKCS#1 for RSA and PKCS#8 for Ed25519.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from truebook_services.paper_exchange.auth import ALL_SCOPES, PublicKey
from truebook_services.paper_exchange.rest.made_keys import MIN_RSA_BITS, MadeKey, read_public_key
from truebook_services.paper_exchange.rest.request_bodies import field, invalid, read_object, read_subaccount
from truebook_services.paper_exchange.rest.requests import Endpoint, Reply, RequestContext, signed_read

MAX_NAME: Final = 100
MAX_PEM: Final = 10_000
SCOPES: Final = (
    *ALL_SCOPES, "read::block_trade_accept", "read::portfolio_balance", "write::trade", "write::transfer",
    "write::fcm_risk", "write::block_trade_accept",
)  # fmt: skip


class _Requested(NamedTuple):
    """A new key's name and scopes, and the only subaccount that it may use (None: all)."""

    name: str
    scopes: tuple[str, ...]
    subaccount: int | None


def _requested(context: RequestContext, raw: dict[str, Any], structure: str) -> _Requested:
    """Read what is wanted of a new key."""
    name, scopes = field(raw, structure, "name", str), field(raw, structure, "scopes", list)
    if not name or len(name) > MAX_NAME:
        raise invalid(f"name: 1 to {MAX_NAME} characters are required")
    if scopes is not None and (not scopes or any(one not in SCOPES for one in scopes)):
        raise invalid(f"scopes: a list of {', '.join(SCOPES)} is required")
    if scopes is not None and "write" in scopes and "read" not in scopes:
        raise invalid("scopes: write needs read")
    subaccount = read_subaccount(raw, structure)
    context.check_unlocked()
    if subaccount is not None:
        context.subaccount(subaccount)
    if field(raw, structure, "fcm_subtrader_id", str):
        raise invalid("fcm_subtrader_id: subtraders are not simulated")
    return _Requested(name, ALL_SCOPES if scopes is None else tuple(dict.fromkeys(scopes)), subaccount)


def _pem(key: PublicKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(encoding, form).decode()


async def api_keys(context: RequestContext) -> dict[str, Any]:
    context.check_unlocked()
    context.query.text("fcm_subtrader_id")
    return {"api_keys": context.state.api_keys.of_account(context.account)}


async def create(context: RequestContext) -> Reply:
    raw = read_object(context.body)
    context.note_unknown("CreateApiKeyRequest", raw)
    requested = _requested(context, raw, "CreateApiKeyRequest")
    pem = field(raw, "CreateApiKeyRequest", "public_key", str)
    if not pem or len(pem) > MAX_PEM:
        raise invalid("public_key: a PEM public key is required")
    key_id = _add(context, requested, read_public_key(pem))
    return Reply(status=201, body={"api_key_id": key_id})


async def generate(context: RequestContext) -> Reply:
    raw = read_object(context.body)
    context.note_unknown("GenerateApiKeyRequest", raw)
    requested = _requested(context, raw, "GenerateApiKeyRequest")
    key_type = field(raw, "GenerateApiKeyRequest", "key_type", str) or "rsa"
    if key_type not in ("rsa", "ed25519"):
        raise invalid("key_type: rsa or ed25519 is required")
    private_pem, public_key = await asyncio.to_thread(_generated, key_type)
    key_id = _add(context, requested, public_key)
    return Reply(status=201, body={"api_key_id": key_id, "key_type": key_type, "private_key": private_pem})


def _generated(key_type: str) -> tuple[str, PublicKey]:
    """Make a key pair: RSA as PKCS#1, Ed25519 as PKCS#8, as the exchange does."""
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if key_type == "rsa":
        private, form = rsa.generate_private_key(65_537, MIN_RSA_BITS), serialization.PrivateFormat.TraditionalOpenSSL
    else:
        private, form = ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem.decode(), private.public_key()


def _add(context: RequestContext, requested: _Requested, public_key: PublicKey) -> str:
    key_id = str(uuid.uuid4())
    key = MadeKey(
        key_id=key_id, account=context.account, name=requested.name, scopes=requested.scopes,
        public_key=_pem(public_key), subaccount=requested.subaccount,
    )  # fmt: skip
    context.state.api_keys.add(key, public_key)
    return key_id


async def delete(context: RequestContext) -> Reply:
    context.check_unlocked()
    context.state.api_keys.delete(context.account, context.path["key_id"])
    return Reply(status=204)


ENDPOINTS: Final = (
    signed_read("/api_keys", "GetApiKeys", api_keys),
    Endpoint(method="POST", path="/api_keys", name="CreateApiKey", handler=create, access="write"),
    Endpoint(method="POST", path="/api_keys/generate", name="GenerateApiKey", handler=generate, access="write"),
    Endpoint(method="DELETE", path="/api_keys/{key_id}", name="DeleteApiKey", handler=delete, access="write"),
)
