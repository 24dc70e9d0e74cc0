"""Paper trading is enforced by an exact list of hosts."""

from __future__ import annotations

import pytest

from truebook.clock import ManualClock
from truebook.kalshi import hosts
from truebook.kalshi.hosts import HostRefused
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import MarketDataSigner, StubSigner
from truebook.kalshi.stream.connection import WebsocketConnector

SIMULATED_HOSTS = [
    "127.0.0.1:18080", "127.8.9.10", "[::1]:18080", "localhost:1", "LOCALHOST", "paper-exchange:18080",
    "paper-exchange.svc", "paper-exchange.truebook.svc", "paper-exchange.truebook.svc.cluster.local:18080",
]  # fmt: skip
DEMO_REST = ["https://external-api.demo.kalshi.co", "https://demo-api.kalshi.co", "https://demo-api.kalshi.co:443"]
DEMO_WS = ["wss://external-api-ws.demo.kalshi.co", "wss://demo-api.kalshi.co"]
PRODUCTION = ["external-api.kalshi.com", "api.elections.kalshi.com", "external-api-ws.kalshi.com"]
DISGUISED = [
    "8.8.8.8", "134744072", "0x08080808", "0x7f000001", "127.0.0.1.example.com", "localhost.example.com",
    "example.com", "kalshi.co", "evil-demo-api.kalshi.co", "demo-api.kalshi.co.example.com", "demo-api.kalshi.com",
    "localhost.", "a.b.svc.example.com", "a.b.c.svc", "-x", "x_y", "10.0.0.1", "0.0.0.0", "[::ffff:8.8.8.8]",
    "lоcalhost",
]  # fmt: skip


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/trade-api/v2", "http://h:1/trade-api/v2/"])
def test_addresses_are_those_of_the_root_address(url: str) -> None:
    assert hosts.addresses(url) == ("http://h:1/trade-api/v2", "ws://h:1/trade-api/ws/v2")
    assert hosts.addresses("https://demo-api.kalshi.co")[1] == "wss://demo-api.kalshi.co/trade-api/ws/v2"


@pytest.mark.parametrize("host", SIMULATED_HOSTS)
def test_local_and_cluster_names_are_simulated(host: str) -> None:
    hosts.check_hosts(f"http://{host}/trade-api/v2", f"ws://{host}/trade-api/ws/v2", "simulated")
    with pytest.raises(HostRefused):
        hosts.check_hosts(f"http://{host}/trade-api/v2", f"ws://{host}/trade-api/ws/v2", "demo")


@pytest.mark.parametrize("rest", DEMO_REST)
@pytest.mark.parametrize("ws", DEMO_WS)
def test_the_four_demo_addresses_are_demo(rest: str, ws: str) -> None:
    hosts.check_hosts(f"{rest}/trade-api/v2", f"{ws}/trade-api/ws/v2", "demo")
    with pytest.raises(HostRefused):
        hosts.check_hosts(f"{rest}/trade-api/v2", f"{ws}/trade-api/ws/v2", "simulated")


@pytest.mark.parametrize("host", PRODUCTION)
@pytest.mark.parametrize("exchange", ["simulated", "demo"])
def test_production_is_refused_by_name_for_either_exchange(host: str, exchange: str) -> None:
    with pytest.raises(HostRefused, match="trades on paper"):
        hosts.check_rest_url(f"https://{host}/trade-api/v2", exchange)
    with pytest.raises(HostRefused, match="trades on paper"):
        hosts.check_ws_url(f"wss://{host}/trade-api/ws/v2", exchange)


@pytest.mark.parametrize("host", DISGUISED)
def test_a_disguised_address_is_refused(host: str) -> None:
    with pytest.raises(HostRefused):
        hosts.check_rest_url(f"http://{host}/trade-api/v2")
    with pytest.raises(HostRefused):
        hosts.check_ws_url(f"ws://{host}/trade-api/ws/v2")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1@example.com/trade-api/v2",
        "http://user@127.0.0.1/trade-api/v2",
        "http://127.0.0.1:0/trade-api/v2",
        "http://127.0.0.1:99999/trade-api/v2",
        "http://127.0.0.1/trade-api/v3",
        "http://127.0.0.1/trade-api/v2?x=1",
        "http://127.0.0.1/trade-api/v2#x",
        "ftp://127.0.0.1/trade-api/v2",
        "ws://127.0.0.1/trade-api/v2",
        "http:///trade-api/v2",
        "http://[::1/trade-api/v2",
        "127.0.0.1",
        "",
        "http://demo-api.kalshi.co/trade-api/v2",
        "https://demo-api.kalshi.co:8443/trade-api/v2",
    ],
)
def test_any_other_form_of_an_address_is_refused(url: str) -> None:
    with pytest.raises(HostRefused):
        hosts.check_rest_url(url)


def test_a_production_key_signs_only_the_upgrade() -> None:
    signer = MarketDataSigner(StubSigner("k"))
    assert signer.headers("GET", "/trade-api/ws/v2", 1)["KALSHI-ACCESS-KEY"] == "k"
    for method, path in (
        ("POST", "/trade-api/v2/portfolio/events/orders"),
        ("GET", "/trade-api/v2/portfolio/balance"),
        ("POST", "/trade-api/ws/v2"),
        ("GET", "/trade-api/ws/v2/"),
        ("get", "/trade-api/ws/v2"),
    ):
        with pytest.raises(HostRefused, match="signs only"):
            signer.headers(method, path, 1)


def test_a_rest_client_for_production_can_not_be_made() -> None:
    for host in PRODUCTION:
        with pytest.raises(HostRefused):
            HttpRestClient(f"https://{host}/trade-api/v2", StubSigner(), ManualClock())


def test_a_production_connector_needs_the_restricted_signer() -> None:
    url = "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    with pytest.raises(HostRefused, match="MarketDataSigner"):
        WebsocketConnector(url, StubSigner(), ManualClock())
    WebsocketConnector(url, MarketDataSigner(StubSigner()), ManualClock())


def test_production_rest_host_is_no_websocket_address() -> None:
    with pytest.raises(HostRefused):
        WebsocketConnector(
            "wss://external-api.kalshi.com/trade-api/ws/v2", MarketDataSigner(StubSigner()), ManualClock()
        )


def test_the_four_public_channels_and_no_other_pass_in_production() -> None:
    hosts.check_market_data_channels(["orderbook_delta", "trade", "ticker", "market_lifecycle_v2"])
    for channel in ("fill", "user_orders", "market_positions", "order_group_updates", "communications", ""):
        with pytest.raises(HostRefused):
            hosts.check_market_data_channels(["trade", channel])
