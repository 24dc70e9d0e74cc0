"""Random requests and stream commands for the simulated exchange: mostly valid shapes with some invalid values.

A seed gives the same requests. Each is (method, path, query, body); a body may be bytes that are no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from support.kalshi_required import PARAMETERS
from truebook_services.paper_exchange.rest.application import ENDPOINTS
from truebook_services.paper_exchange.rest.request_fields import REQUEST_FIELDS
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

ODD: Sequence[Any] = (
    None, True, False, 0, -1, 1, 64, 2**31, 2**53, 2**63, 2**64, 10**40, 1e308, -0.5, "", "0", "-1", "1.00", "1e5",
    "NaN", "0.0100", "0.00001", "1.0000", "٣", "é", "\x00", "a" * 300, "null", "../..", "%00", "{}", [], {}, [1],
    [None], [[]], {"a": 1}, [{"a": [1]}], "2026-11-01T00:00:00Z", "99999999999999999999",
)  # fmt: skip
WORDS = ("bid", "ask", "good_till_canceled", "immediate_or_cancel", "fill_or_kill", "taker_at_cross", "maker", "open")


class FuzzedRequest(NamedTuple):
    method: str
    path: str
    query: list[tuple[str, str]]
    body: bytes | None


class Fuzzer:
    """Draws requests; ``tickers`` and ``ids`` are values that exist."""

    def __init__(self, seed: int, tickers: Sequence[str]) -> None:
        self._random = Random(seed)
        self._tickers = list(tickers)
        self.ids = ["none"]

    def value(self, name: str = "") -> Any:
        """Draw a value, often one that suits the name."""
        choose = self._random.choice
        if self._random.random() < 0.3:
            return choose(ODD)
        if "ticker" in name:
            return choose(self._tickers)
        if name.endswith("_id") or name == "ids":
            return choose(self.ids)
        if name.endswith("_ts") or "time" in name:
            return self._random.randrange(1_760_000_000, 1_770_000_000)
        if name in ("price", "count", "reduce_by", "reduce_to", "contracts_limit_fp"):
            return choose(("0.0100", "0.4500", "0.9900", "1.00", "5.00", "250000.00", "0.01"))
        return choose((*WORDS, "read", "rsa", "event_contract", 1, 60, 1440, 5, 0, True, self._random.randrange(1_000)))

    def request(self) -> FuzzedRequest:
        """Draw one request to a random operation."""
        endpoint = self._random.choice(ENDPOINTS)
        path = endpoint.path
        while "{" in path:
            start, end = path.index("{"), path.index("}")
            word = self._random.choice([*self._tickers, *self.ids, self._tickers[0].split("-")[0], "x", "%20", "a,b"])
            path = path[:start] + word + path[end + 1 :]
        names = [*PARAMETERS.get(endpoint.path, "limit subaccount exchange_index").split(), "unknown"]
        given = self._random.sample(names, self._random.randrange(min(4, len(names)) + 1))
        query = [(name, _text(self.value(name))) for name in given]
        return FuzzedRequest(endpoint.method, path, query, self._body() if endpoint.method != "GET" else None)

    def _body(self) -> bytes | None:
        kind = self._random.random()
        if kind < 0.03:
            return None
        if kind < 0.08:
            return self._random.choice((b"", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 2_000, b'"text"', b"[]"))
        raw: Any = self._object(self._random.choice(sorted(REQUEST_FIELDS)))
        if self._random.random() < 0.2:
            raw = {"orders": [self._object("CreateOrderV2Request") for _ in range(self._random.randrange(4))]}
        return json.dumps(raw).encode()

    def _object(self, structure: str) -> dict[str, Any]:
        fields = sorted(REQUEST_FIELDS[structure])
        kept = [name for name in fields if self._random.random() < 0.85]
        raw = {name: self.value(name) for name in kept}
        if structure == "CreateOrderV2Request" and self._random.random() < 0.4:
            raw |= {
                "ticker": self._random.choice(self._tickers), "side": self._random.choice(("bid", "ask")),
                "count": "1.00", "price": self._random.choice(("0.0100", "0.5000", "0.9900")),
                "time_in_force": "good_till_canceled", "self_trade_prevention_type": "maker", "post_only": False,
                "reduce_only": False, "expiration_time": None, "order_group_id": None, "exchange_index": None,
                "subaccount": 0, "client_order_id": f"fuzz-{self._random.randrange(10**9)}",
            }  # fmt: skip
        return raw

    def command(self) -> bytes:
        """Draw one stream command."""
        if self._random.random() < 0.05:
            return self._random.choice((b"", b"{", b"\xff", b"[]", b"null", b'{"id":1}', b"[" * 5_000))
        words = ("channels", "market_ticker", "market_tickers", "market_id", "sid", "sids", "action", "use_yes_price",
                 "send_initial_snapshot", "skip_ticker_ack", "shard_factor")  # fmt: skip
        params: Any = {}
        for name in self._random.sample(words, self._random.randrange(6)):
            params[name] = self._parameter(name)
        cmd = self._random.choice(
            ("subscribe", "subscribe", "update_subscription", "unsubscribe", "list_subscriptions", "nothing", 7)
        )
        return json.dumps(
            {"id": self.value(), "cmd": cmd, "params": self._random.choice((params, params, None))}
        ).encode()

    def _parameter(self, name: str) -> Any:
        if self._random.random() < 0.3:
            return self._random.choice(ODD)
        choose = self._random.choice
        match name:
            case "channels":
                return [choose([*StreamChannel, "nothing", 7]) for _ in range(self._random.randrange(4))]
            case "market_tickers":
                return [choose([*self._tickers, "NOWHERE", ""]) for _ in range(self._random.randrange(4))]
            case "sids":
                return [choose((1, 2, 3, 99, "1")) for _ in range(self._random.randrange(3))]
            case "sid":
                return choose((1, 2, 3, 99))
            case "action":
                return choose(("add_markets", "delete_markets", "get_snapshot", "nothing"))
            case _:
                return choose((*self._tickers, True, False))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
