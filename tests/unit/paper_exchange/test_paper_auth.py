"""Authentication by signature, and the key files."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from truebook.kalshi.signing import Ed25519Signer, RsaSigner, load_signer
from truebook_services.paper_exchange.auth import Authenticator, KeyFileError, ensure_key_pair, load_public_key
from truebook_services.paper_exchange.errors import WireError

NOW_MS = 1_781_159_348_000
PATH = "/trade-api/v2/portfolio/balance"
RSA = RsaSigner("rsa-key", generate_private_key(public_exponent=65_537, key_size=2048))
ED = Ed25519Signer("ed-key", Ed25519PrivateKey.generate())


@pytest.fixture
def authenticator() -> Authenticator:
    made = Authenticator(max_age_s=15, max_ahead_s=60)
    made.add_key("rsa-key", RSA._key.public_key(), "one")
    made.add_key("ed-key", ED._key.public_key(), "two")
    return made


def ask(authenticator: Authenticator, headers: dict[str, str], method: str = "GET", path: str = PATH) -> str:
    lower = {name.lower(): value for name, value in headers.items()}
    return authenticator.account_of(lower, method, path, NOW_MS * 1000)


def refusal(authenticator: Authenticator, headers: dict[str, str], **request: str) -> dict[str, str]:
    with pytest.raises(WireError) as caught:
        ask(authenticator, headers, **request)
    assert caught.value.status == 401
    error: dict[str, str] = caught.value.body["error"]
    return error


def test_rsa_and_ed25519_keys_authenticate_their_accounts(authenticator: Authenticator) -> None:
    assert ask(authenticator, RSA.headers("GET", PATH, NOW_MS)) == "one"
    assert ask(authenticator, ED.headers("GET", PATH, NOW_MS)) == "two"


@pytest.mark.parametrize("missing", ["KALSHI-ACCESS-KEY", "KALSHI-ACCESS-TIMESTAMP", "KALSHI-ACCESS-SIGNATURE"])
def test_a_missing_header_is_unauthenticated(authenticator: Authenticator, missing: str) -> None:
    headers = RSA.headers("GET", PATH, NOW_MS)
    del headers[missing]
    expected = {
        "code": "signature_is_missing_from_headers",
        "message": "signature is missing from headers",
    }
    assert refusal(authenticator, headers) == expected


@pytest.mark.parametrize(
    ("offset_ms", "accepted"), [(-15_000, True), (-15_001, False), (60_000, True), (60_001, False)]
)
def test_the_timestamp_window_is_asymmetric(authenticator: Authenticator, offset_ms: int, accepted: bool) -> None:
    headers = ED.headers("GET", PATH, NOW_MS + offset_ms)
    if accepted:
        assert ask(authenticator, headers) == "two"
    else:
        assert refusal(authenticator, headers)["code"] == "header_timestamp_expired"


@pytest.mark.parametrize("timestamp", ["soon", "-1", "9" * 5_000])
def test_a_non_numeric_timestamp_is_expired(authenticator: Authenticator, timestamp: str) -> None:
    headers = ED.headers("GET", PATH, NOW_MS) | {"KALSHI-ACCESS-TIMESTAMP": timestamp}
    assert refusal(authenticator, headers)["code"] == "header_timestamp_expired"


def test_an_unknown_key_is_not_found(authenticator: Authenticator) -> None:
    headers = RSA.headers("GET", PATH, NOW_MS) | {"KALSHI-ACCESS-KEY": "unknown-key"}
    assert refusal(authenticator, headers) == {
        "code": "authentication_error",
        "message": "authentication_error",
        "details": "NOT_FOUND",
    }


@pytest.mark.parametrize("signer", [RSA, ED])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("GET", "/trade-api/v2/portfolio/orders"), ("GET", PATH + "?limit=1")]
)
def test_a_signature_is_bound_to_method_and_path(
    authenticator: Authenticator, signer: RsaSigner | Ed25519Signer, method: str, path: str
) -> None:
    error = refusal(authenticator, signer.headers("GET", PATH, NOW_MS), method=method, path=path)
    assert error["details"] == "INCORRECT_API_KEY_SIGNATURE"


@pytest.mark.parametrize("junk", ["???", "", base64.b64encode(b"short").decode()])
def test_an_invalid_signature_text_is_rejected(authenticator: Authenticator, junk: str) -> None:
    headers = ED.headers("GET", PATH, NOW_MS) | {"KALSHI-ACCESS-SIGNATURE": junk}
    assert refusal(authenticator, headers)["code"] in ("authentication_error", "signature_is_missing_from_headers")


def test_the_generated_key_pair_is_private_and_kept(tmp_path: Path) -> None:
    key_id, file = ensure_key_pair(tmp_path / "state")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ensure_key_pair(tmp_path / "state") == (key_id, file)
    made = Authenticator(max_age_s=15, max_ahead_s=60)
    made.add_key(key_id, load_public_key(file), "main")
    assert ask(made, load_signer(key_id, file).headers("GET", PATH, NOW_MS)) == "main"


def test_an_invalid_key_file_is_named_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    with pytest.raises(KeyFileError, match=r"the PEM|PEM key"):
        load_public_key(file)
    file.write_text("hello")
    with pytest.raises(KeyFileError, match=r"the PEM|PEM key"):
        load_public_key(file)
