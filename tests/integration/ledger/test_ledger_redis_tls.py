"""The ledger on a Redis as managed ones are: TLS with an authority of its own, and a password."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import make_certificates
from support.redis_servers import start_container
from truebook.ledger.port import LedgerError, StoreUnavailable
from truebook.ledger.redis_store import RedisStore

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

PASSWORD = "a-long-secret"
READY_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the authority; beside it lies what the server shows."""
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
        yield f"rediss://127.0.0.1:{port}"  # the name that the certificate bears


@pytest.fixture
def trusting(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process checks servers against the authority of the server."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


async def connected(address: str, password: str) -> RedisStore:
    """Connect, giving a server that is still starting time."""
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while True:
        try:
            return await RedisStore.connect(address, f"tls-{uuid.uuid4().hex[:8]}", password=password)
        except StoreUnavailable as error:
            if "certificate" in str(error) or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("trusting")
async def test_money_moves_over_tls(address: str) -> None:
    store = await connected(address, PASSWORD)
    try:
        assert await store.open_account(5_000_000, ()) == "opened"
        assert (await store.view()).account.cash_micros == 5_000_000
    finally:
        await store.aclose()


@pytest.mark.usefixtures("trusting")
async def test_a_wrong_password_is_refused_and_not_retried(address: str) -> None:
    with pytest.raises(LedgerError, match="refuses this user") as refused:
        await connected(address, "another")
    assert not refused.value.retry


async def test_a_server_whose_authority_nobody_trusts_gets_no_password(address: str) -> None:
    with pytest.raises(StoreUnavailable, match="certificate"):
        await connected(address, PASSWORD)
