"""Signatures verify with the public key over exactly ts + METHOD + path; keys come from closed files only."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from truebook.kalshi.hosts import HostRefused, KeyRefused
from truebook.kalshi.signing import Ed25519Signer, PublicDataSigner, RsaSigner, load_signer

NOW_MS = 1_781_159_348_000
PATH = "/trade-api/v2/portfolio/orders"
MESSAGE = b"1781159348000GET/trade-api/v2/portfolio/orders"


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def write_pem(path: Path, key: object, mode: int = 0o600, password: bytes | None = None) -> Path:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined]
    )
    path.chmod(mode)
    return path


def test_rsa_signature_verifies_with_a_salt_of_32_bytes(rsa_key: rsa.RSAPrivateKey) -> None:
    headers = RsaSigner("key-1", rsa_key).headers("GET", PATH, NOW_MS)
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1781159348000"
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    rsa_key.public_key().verify(
        signature, MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32), hashes.SHA256()
    )


def test_ed25519_signature_verifies() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    headers = Ed25519Signer("key-2", key).headers("GET", PATH, NOW_MS)
    key.public_key().verify(base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True), MESSAGE)


@pytest.mark.parametrize(
    ("method", "path", "now_ms"), [("POST", PATH, NOW_MS), ("GET", PATH + "/x", NOW_MS), ("GET", PATH, 1)]
)
def test_every_part_of_the_request_is_signed(method: str, path: str, now_ms: int) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signature = Ed25519Signer("k", key).headers(method, path, now_ms)["KALSHI-ACCESS-SIGNATURE"]
    with pytest.raises(InvalidSignature):
        key.public_key().verify(base64.b64decode(signature), MESSAGE)


def test_a_key_file_gives_the_signer_of_its_kind(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    assert isinstance(load_signer("k", write_pem(tmp_path / "rsa.pem", rsa_key)), RsaSigner)
    assert isinstance(
        load_signer("k", write_pem(tmp_path / "ed.pem", ed25519.Ed25519PrivateKey.generate())), Ed25519Signer
    )


def test_a_key_in_the_older_rsa_format_is_read(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    path = tmp_path / "old.pem"
    path.write_bytes(
        rsa_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    path.chmod(0o400)
    assert isinstance(load_signer("k", path), RsaSigner)


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o400, True), (0o440, True), (0o644, False), (0o604, False), (0o660, False)]
)
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int, fine: bool) -> None:
    path = write_pem(tmp_path / "key.pem", ed25519.Ed25519PrivateKey.generate(), mode)
    if fine:
        load_signer("k", path)
    else:
        with pytest.raises(KeyRefused, match=r"chmod 600 .*key\.pem"):
            load_signer("k", path)


def test_each_unusable_key_is_refused_with_its_reason(tmp_path: Path) -> None:
    ed = ed25519.Ed25519PrivateKey.generate()
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n")
    garbage.chmod(0o600)
    for path, reason in (
        (tmp_path / "missing.pem", "No such file"),
        (garbage, "not a private key in PEM format"),
        (write_pem(tmp_path / "locked.pem", ed, password=b"secret"), "passphrase"),
        (write_pem(tmp_path / "curve.pem", ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an Ed25519"),
        (write_pem(tmp_path / "short.pem", short), "1024 bits"),
    ):
        with pytest.raises(KeyRefused, match=reason):
            load_signer("k", path)
    with pytest.raises(KeyRefused, match="key id is empty"):
        load_signer(" ", write_pem(tmp_path / "fine.pem", ed))


def test_a_reading_key_signs_market_data_alone() -> None:
    signer = PublicDataSigner(Ed25519Signer("stub", ed25519.Ed25519PrivateKey.generate()))
    for path in ("/markets", "/markets/T-1/orderbook", "/series/S", "/events", "/exchange/status"):
        assert signer.headers("GET", f"/trade-api/v2{path}", 1)
    assert signer.headers("GET", "/trade-api/ws/v2", 1) and signer.key_id == "stub"
    for method, path in (
        ("POST", "/portfolio/events/orders"), ("GET", "/portfolio/balance"), ("GET", "/marketsx"), ("POST", "/markets"),
        ("DELETE", "/portfolio/events/orders/1"),
    ):  # fmt: skip
        with pytest.raises(HostRefused, match="signs markets"):
            signer.headers(method, f"/trade-api/v2{path}", 1)
