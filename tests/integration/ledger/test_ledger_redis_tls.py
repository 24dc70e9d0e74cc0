"""The ledger on a Redis like a managed one: TLS with its own certificate authority, and a password."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import make_certificates
from support.redis_servers import start_container
from truebook.ledger.port import LedgerError, StoreUnavailable
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import OpenAccount

pytestmark = [pytest.mark.containers]

PASSWORD = "a-long-secret"
READY_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the certificate authority; the server's certificate is next to it."""
    folder = tmp_path_factory.mktemp("tls")
    made = make_certificates()
    for name, text in {"ca": made.authority, "chain": made.chain, "key": made.key}.items():
        (folder / f"{name}.pem").write_text(text)
    folder.chmod(0o755)
    return folder / "ca.pem"


@pytest.fixture(scope="module")
def address(authority: Path) -> Iterator[str]:
    options = (
        "--port 0 --tls-port 6379 --tls-auth-clients no --tls-cert-file /tls/chain.pem --tls-key-file /tls/key.pem "
        f"--tls-ca-cert-file /tls/ca.pem --requirepass {PASSWORD}"
    )
    with start_container("redis", options, {authority.parent: "/tls"}) as (_, port):
        yield f"rediss://127.0.0.1:{port}"  # the name in the certificate


@pytest.fixture
def trusting(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process trust the server's certificate authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


async def connected(address: str, password: str) -> RedisStore:
    """Connect, retrying while the server starts."""
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while True:
        try:
            return await RedisStore.connect(address, f"tls-{uuid.uuid4().hex[:8]}", password=password)
        except StoreUnavailable as error:
            if "certificate" in str(error) or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("trusting")
async def test_verbs_are_applied_over_tls(address: str) -> None:
    store = await connected(address, PASSWORD)
    try:
        assert await store.apply(OpenAccount(balance_micros=5_000_000)) == "opened"
        assert (await store.view()).account.cash_micros == 5_000_000
    finally:
        await store.aclose()


@pytest.mark.usefixtures("trusting")
async def test_a_wrong_password_is_refused_and_not_retried(address: str) -> None:
    with pytest.raises(LedgerError, match="refuses this user") as refused:
        await connected(address, "another")
    assert not refused.value.retry


async def test_a_server_with_an_untrusted_certificate_gets_no_password(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="certificate"):
        await connected(address, PASSWORD)
