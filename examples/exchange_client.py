"""Start `truebook exchange` and place an order with plain httpx: signed like requests to Kalshi, no Truebook code."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

API = "/trade-api/v2"
KEY_ID = "example"


class Signed(httpx.Auth):
    """RSA-PSS (SHA-256, salt of 32 bytes) over milliseconds + method + path."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request):  # type: ignore[no-untyped-def]
        now_ms = str(time.time_ns() // 1_000_000)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = self._key.sign((now_ms + request.method + request.url.path).encode(), pss, hashes.SHA256())
        request.headers["KALSHI-ACCESS-KEY"] = KEY_ID
        request.headers["KALSHI-ACCESS-TIMESTAMP"] = now_ms
        request.headers["KALSHI-ACCESS-SIGNATURE"] = base64.b64encode(signature).decode()
        yield request


def main(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    public_key = folder / "key.pub.pem"
    public_key.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    options = ["--port", "0", "--markets", "5", "--key-id", KEY_ID, "--public-key", str(public_key)]
    command = [sys.executable, "-m", "truebook_services.cli", "exchange", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as exchange:
        try:
            assert exchange.stdout is not None
            url = exchange.stdout.readline().split("ready at ")[1].split(",")[0]
            trade(url, key)
        finally:
            exchange.terminate()


def trade(url: str, key: rsa.RSAPrivateKey) -> None:
    with httpx.Client(base_url=url + API, auth=Signed(key)) as client:
        market = client.get("/markets", params={"status": "open", "limit": 1}).raise_for_status().json()["markets"][0]
        print("market", market["ticker"])
        placed = client.post("/portfolio/events/orders", json={
            "ticker": market["ticker"], "client_order_id": str(uuid.uuid4()), "side": "bid", "count": "10.00",
            "price": "0.0100", "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross",
        }).raise_for_status().json()  # fmt: skip
        print("remaining", placed["remaining_count"], "filled", placed["fill_count"])
        client.delete(f"/portfolio/events/orders/{placed['order_id']}").raise_for_status()
        print("balance in cents", client.get("/portfolio/balance").raise_for_status().json()["balance"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(scratch))
