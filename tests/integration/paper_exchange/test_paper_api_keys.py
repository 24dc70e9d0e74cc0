"""API keys made by REST: both kinds sign, scopes are needed, deleted ones are refused, also after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.datastructures import Headers
from websockets.http11 import Request

from support.manual_rest import ManualRest, manual_rest
from support.paper_client import KEY_ID, PREFIX, order_body
from truebook.kalshi.signing import Signer, load_signer
from truebook_services.paper_exchange.auth import Authenticator, KeyFileError
from truebook_services.paper_exchange.rest.made_keys import ApiKeys
from truebook_services.paper_exchange.stream.hub import PATH, StreamAuthenticator

ORDERS = "/portfolio/events/orders"


def signer(made: dict[str, Any], folder: Path) -> Signer:
    file = folder / f"{made['api_key_id']}.pem"
    file.touch(mode=0o600)
    file.write_text(made["private_key"])
    return load_signer(made["api_key_id"], file)


async def call(rest: ManualRest, by: Signer, method: str, path: str, body: Any = None) -> httpx.Response:
    return await rest.call(method, path, body=body, headers=by.headers(method, PREFIX + path, rest.now_ms()))


async def generate(rest: ManualRest, **fields: Any) -> dict[str, Any]:
    response = await rest.call("POST", "/api_keys/generate", body={"name": "a key"} | fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


@pytest.mark.parametrize(("key_type", "form"), [("rsa", "BEGIN RSA PRIVATE"), ("ed25519", "BEGIN PRIVATE")])
async def test_a_generated_key_signs_until_it_is_deleted(tmp_path: Path, key_type: str, form: str) -> None:
    async with manual_rest(markets=2) as rest:
        made = await generate(rest, key_type=key_type)
        assert (made["key_type"], form in made["private_key"]) == (key_type, True)
        mine = signer(made, tmp_path)
        assert (await call(rest, mine, "GET", "/portfolio/orders")).status_code == 200
        listed = (await rest.get("/api_keys"))["api_keys"]
        assert [one["api_key_id"] for one in listed] == [KEY_ID, made["api_key_id"]]
        assert listed[1] == {"api_key_id": made["api_key_id"], "name": "a key", "scopes": ["read", "write"]}
        assert (await rest.call("DELETE", f"/api_keys/{made['api_key_id']}")).status_code == 204
        refused = await call(rest, mine, "GET", "/portfolio/orders")
        assert (refused.status_code, refused.json()["error"]["details"]) == (401, "NOT_FOUND")
        assert (await rest.call("DELETE", f"/api_keys/{made['api_key_id']}")).status_code == 404


SCOPED: list[tuple[list[str], set[str]]] = [
    (["read"], {"read", "balance", "stream"}),
    (["read::portfolio_balance"], {"balance"}),
    (["write::trade"], {"trade"}),
    (["write::transfer"], {"transfer"}),
    (["read", "write"], {"read", "balance", "stream", "trade", "transfer", "keys"}),
]


@pytest.mark.parametrize(("scopes", "allowed"), SCOPED)
async def test_a_request_needs_its_scope(tmp_path: Path, scopes: list[str], allowed: set[str]) -> None:
    async with manual_rest(markets=2) as rest:
        rest.exchange.tick(1)
        mine = signer(await generate(rest, key_type="ed25519", scopes=scopes), tmp_path)
        ticker = (await rest.get("/markets"))["markets"][0]["ticker"]
        transfer = {"transfer_id": "t", "amount_dollars": "1.00"}
        calls = {
            "read": ("GET", "/portfolio/orders", None),
            "balance": ("GET", "/portfolio/balance", None),
            "trade": ("POST", ORDERS, order_body(ticker)),
            "transfer": ("POST", "/portfolio/simulated_transfers", transfer),
            "keys": ("POST", "/api_keys/generate", {"name": "another", "key_type": "ed25519"}),
        }
        done = {kind for kind, made in calls.items() if (await call(rest, mine, *made)).status_code != 403}
        server = rest.exchange.server
        upgrade = Request(PATH, Headers(mine.headers("GET", PATH, rest.now_ms())))
        opened = StreamAuthenticator(server.hub, server.state.authenticator).open_session(upgrade, lambda: None)
        if isinstance(opened, tuple):
            assert opened[0] == 403
        else:
            done.add("stream")
        assert done == allowed


async def test_made_keys_survive_a_restart(tmp_path: Path) -> None:
    async with manual_rest(markets=2, folder=tmp_path) as rest:
        made = await generate(rest, key_type="ed25519", scopes=["read"])
        now_us = rest.exchange.server.now_us()
    async with manual_rest(markets=2, folder=tmp_path, now_us=now_us) as rest:
        mine = signer(made, tmp_path)
        assert (await call(rest, mine, "GET", "/portfolio/orders")).status_code == 200
        assert (await call(rest, mine, "DELETE", ORDERS)).status_code == 403
    file = tmp_path / "api-keys.json"
    assert "PRIVATE" not in file.read_text()
    file.write_text(file.read_text()[:-9])
    with pytest.raises(KeyFileError, match=r"api-keys\.json: damaged"):
        ApiKeys(Authenticator(max_age_s=1, max_ahead_s=1), tmp_path)


async def test_an_uploaded_key_must_be_one(tmp_path: Path) -> None:
    def pem(key: Any) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())

    good = pem(rsa.generate_private_key(65_537, 2_048))
    async with manual_rest(markets=1) as rest:
        made = await rest.call("POST", "/api_keys", body={"name": "mine", "public_key": good, "colour": "red"})
        assert (made.status_code, made.headers["truebook-ignored"]) == (201, "colour")
        for fields in (
            {"public_key": pem(ec.generate_private_key(ec.SECP256R1()))},
            {"public_key": pem(rsa.generate_private_key(65_537, 1_024))},
            {"public_key": "nonsense"},
            {"public_key": good, "scopes": ["write"]},
            {"public_key": good, "scopes": ["everything"]},
            {"public_key": good, "scopes": [["read"]]},
            {"public_key": good, "subaccount": 2},
            {"public_key": good, "name": ""},
        ):
            refused = await rest.call("POST", "/api_keys", body={"name": "mine"} | fields)
            assert refused.status_code == 400, refused.text
        refused = await rest.call("DELETE", f"/api_keys/{KEY_ID}")
        assert refused.status_code == 400
        assert len((await rest.get("/api_keys"))["api_keys"]) == 2
