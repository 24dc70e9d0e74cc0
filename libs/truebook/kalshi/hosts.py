"""The hosts that Truebook may connect to. Paper trading is enforced here, not configured: the list is exact.

- Orders, account and market data, on paper: the simulated exchange (loopback; a name without dots or ``*.svc`` inside
  compose or a cluster) and Kalshi's demo.
- Market data only: Kalshi's production WebSocket, four public channels only.

Production REST is refused. The settings check with ``check_hosts``, the REST client and the connector check their own
address again, and a production key is wrapped so that it can sign only the WebSocket's upgrade.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

DEMO_REST: Final = frozenset({"external-api.demo.kalshi.co", "demo-api.kalshi.co"})
DEMO_WS: Final = frozenset({"external-api-ws.demo.kalshi.co", "demo-api.kalshi.co"})
PRODUCTION_WS: Final = frozenset({"external-api-ws.kalshi.com", "api.elections.kalshi.com"})
PRODUCTION: Final = PRODUCTION_WS | {"external-api.kalshi.com"}

REST_PATH: Final = "/trade-api/v2"
WS_PATH: Final = "/trade-api/ws/v2"
MARKET_DATA_CHANNELS: Final = frozenset({"orderbook_delta", "trade", "ticker", "market_lifecycle_v2"})

PUBLIC_DATA: Final = ("markets", "events", "series", "exchange")
"""First parts of the REST paths of public market data."""

# A label starts with a letter: '0x7f000001' and '134744072' are numeric addresses, not names.
_LABEL: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class HostRefused(ValueError):
    """An address, or a use of it, that is not on the list."""


class KeyRefused(ValueError):
    """A private key can't or must not be used; the message names the file and what to do."""


def root_address(url: str) -> str:
    """Return an exchange's address without the path of its REST interface."""
    return url.rstrip("/").removesuffix(REST_PATH)


def addresses(url: str) -> tuple[str, str]:
    """Return the REST and the WebSocket address of the exchange with this root or REST address."""
    root = root_address(url)
    return f"{root}{REST_PATH}", f"ws{root.removeprefix('http')}{WS_PATH}"


def check_hosts(rest_url: str, ws_url: str, exchange: Literal["simulated", "demo"]) -> None:
    """Refuse unless both addresses belong to that exchange; raises ``HostRefused`` with what is allowed."""
    check_rest_url(rest_url, exchange)
    check_ws_url(ws_url, exchange)


def check_rest_url(url: str, exchange: Literal["simulated", "demo"] | None = None) -> None:
    """Refuse a REST address that is not of that exchange (None: of either paper exchange)."""
    parts = _split(url, ("http", "https"), REST_PATH)
    if exchange != "demo" and is_simulated(url):
        return
    if exchange != "simulated" and _is_exact(parts, "https", DEMO_REST):
        return
    raise _refusal(url, parts, exchange, DEMO_REST)


def check_ws_url(url: str, exchange: Literal["simulated", "demo"] | None = None) -> None:
    """Refuse a WebSocket address that is not of that exchange (None: of either paper exchange)."""
    parts = _split(url, ("ws", "wss"), WS_PATH)
    if exchange != "demo" and is_simulated(url):
        return
    if exchange != "simulated" and _is_exact(parts, "wss", DEMO_WS):
        return
    raise _refusal(url, parts, exchange, DEMO_WS)


def check_production_ws_url(url: str) -> None:
    """Refuse all but production's two WebSocket addresses: the only use of production."""
    parts = _split(url, ("ws", "wss"), WS_PATH)
    if not _is_exact(parts, "wss", PRODUCTION_WS):
        allowed = ", ".join(f"wss://{host}{WS_PATH}" for host in sorted(PRODUCTION_WS))
        raise HostRefused(f"{url}: production market data is served by {allowed} only")


def check_market_data_only(method: str, path: str) -> None:
    """Refuse every request but the WebSocket's upgrade: a production key may sign nothing else."""
    if (method, path) != ("GET", WS_PATH):
        raise HostRefused(
            f"a production key signs only 'GET {WS_PATH}' (market data), not '{method} {path}'; "
            "send orders and account requests to the simulated exchange or to demo"
        )


def check_public_data(method: str, path: str) -> None:
    """Refuse every request but reads of public market data, and the WebSocket's upgrade."""
    is_public = any(path == f"{REST_PATH}/{name}" or path.startswith(f"{REST_PATH}/{name}/") for name in PUBLIC_DATA)
    if method != "GET" or not (is_public or path == WS_PATH):
        raise HostRefused(
            f"this key is used to read market data: it signs {', '.join(PUBLIC_DATA)} and the WebSocket, "
            f"not '{method} {path}'"
        )


def check_market_data_channels(channels: Iterable[str]) -> None:
    """Refuse channels beyond the four public ones on a production connection."""
    others = sorted(set(channels) - MARKET_DATA_CHANNELS)
    if others:
        allowed = ", ".join(sorted(MARKET_DATA_CHANNELS))
        raise HostRefused(f"channel {', '.join(others)}: a production connection carries only {allowed}")


def is_simulated(url: str) -> bool:
    """Return whether an address is local: loopback, a single-label name, or a cluster service."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    name = host.removesuffix(".svc.cluster.local").removesuffix(".svc")
    labels = name.split(".")
    inside_cluster = name != host
    return (len(labels) == 1 or (inside_cluster and len(labels) == 2)) and all(map(_LABEL.fullmatch, labels))


def is_production(url: str) -> bool:
    """Return whether an address is one of Kalshi's production hosts."""
    return (urlsplit(url).hostname or "") in PRODUCTION


def _split(url: str, schemes: tuple[str, ...], path: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise HostRefused(f"{url}: not an address: {error}") from error
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise HostRefused(f"{url}: expected {schemes[0]}://HOST[:PORT]{path}")
    if "@" in parts.netloc:
        raise HostRefused(f"{url}: an address must not contain a user name")
    if parts.path.rstrip("/") != path or parts.query or parts.fragment:
        raise HostRefused(f"{url}: the path must be {path}")
    return parts


def _is_exact(parts: SplitResult, scheme: str, hosts: frozenset[str]) -> bool:
    return parts.scheme == scheme and parts.hostname in hosts and parts.port in (None, 443)


def _refusal(
    url: str, parts: SplitResult, exchange: Literal["simulated", "demo"] | None, demo: frozenset[str]
) -> HostRefused:
    if parts.hostname in PRODUCTION:
        return HostRefused(f"{url}: Truebook trades on paper; of production it uses the market-data WebSocket only")
    allowed = []
    if exchange != "demo":
        allowed.append("loopback, a name without dots, *.svc or *.svc.cluster.local (simulated)")
    if exchange != "simulated":
        allowed.append(f"{', '.join(sorted(demo))} over TLS (demo)")
    return HostRefused(f"{url}: not an allowed exchange host; allowed are {' and '.join(allowed)}")
