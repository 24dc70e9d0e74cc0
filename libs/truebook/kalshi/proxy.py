"""The proxy to the exchange, the same for REST and WebSocket.

It is that of ``HTTPS_PROXY``, else of ``ALL_PROXY``, unless ``NO_PROXY`` names the host. Addresses that are not local
use TLS always, so no other variable counts. Local addresses need no proxy.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from truebook.kalshi.hosts import HostRefused, is_simulated

SCHEMES: Final = ("http", "https")
"""Those that the REST client's transport can use too: it has no SOCKS."""


def find_proxy(url: str) -> str | None:
    """Return the proxy for an address of the exchange, None without one; raises ``HostRefused`` for an unusable one."""
    if is_simulated(url) or proxy_bypass(urlsplit(url).hostname or ""):
        return None
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if proxy is None:
        return None
    parts = urlsplit(proxy)
    if parts.scheme not in SCHEMES or not parts.hostname or (parts.username is not None and parts.password is None):
        raise HostRefused(
            f"HTTPS_PROXY (scheme {parts.scheme!r}, host {parts.hostname!r}): expected http://[USER:PASSWORD@]HOST:PORT"
        )
    return proxy
