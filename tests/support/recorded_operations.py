"""Recorded REST bodies by operation, and how they differ from the exchange's OpenAPI document, in both directions."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.recordings import recording

ORDERS = "/portfolio/events/orders"
OLD_NAMES = {
    "amend_order": ("POST", f"{ORDERS}/{{order_id}}/amend"), "cancel_order": ("DELETE", f"{ORDERS}/{{order_id}}"),
    "batch_cancel_orders": ("DELETE", f"{ORDERS}/batched"), "batch_create_orders": ("POST", f"{ORDERS}/batched"),
    "create_order": ("POST", ORDERS), "decrease_order": ("POST", f"{ORDERS}/{{order_id}}/decrease"),
    "order_group_create": ("POST", "/portfolio/order_groups/create"),
    "order_group_delete": ("DELETE", "/portfolio/order_groups/{order_group_id}"),
    "order_group_reset": ("PUT", "/portfolio/order_groups/{order_group_id}/reset"),
} | {
    name: ("GET", path)
    for name, path in {
        "candlesticks_batch": "/markets/candlesticks",
        "event_candlesticks": "/series/{series}/events/{event}/candlesticks",
        "event_metadata": "/events/{event}/metadata", "event_single": "/events/{event}", "events_list": "/events",
        "events_multivariate_list": "/events/multivariate", "exchange_schedule": "/exchange/schedule",
        "exchange_status": "/exchange/status", "filters_by_sport": "/search/filters_by_sport",
        "incentive_programs": "/incentive_programs", "live_data_batch": "/live_data/batch",
        "market_single": "/markets/{ticker}", "markets_list": "/markets", "milestones_list": "/milestones",
        "multivariate_event_collections_list": "/multivariate_event_collections",
        "order_group_single": "/portfolio/order_groups/{order_group_id}",
        "order_groups_list": "/portfolio/order_groups",
        "order_queue_position": "/portfolio/orders/{order_id}/queue_position",
        "order_queue_positions": "/portfolio/orders/queue_positions", "orderbook": "/markets/{ticker}/orderbook",
        "portfolio_balance": "/portfolio/balance", "portfolio_fills": "/portfolio/fills",
        "portfolio_order_single": "/portfolio/orders/{order_id}", "portfolio_orders": "/portfolio/orders",
        "portfolio_positions": "/portfolio/positions", "portfolio_settlements": "/portfolio/settlements",
        "portfolio_total_resting_order_value": "/portfolio/summary/total_resting_order_value",
        "series_candlesticks": "/series/{series}/markets/{ticker}/candlesticks",
        "series_fee_changes": "/series/fee_changes", "series_list": "/series", "series_single": "/series/{series}",
        "structured_targets_list": "/structured_targets", "tags_by_categories": "/search/tags_by_categories",
        "trades_list": "/markets/trades", "user_data_timestamp": "/exchange/user_data_timestamp",
    }.items()
}  # fmt: skip
"""Operations of the recordings of January 2026, by the file's name."""
NOT_SERVED = {
    "_recording_summary", "exchange_announcements", "live_data_milestone", "milestone_single",
    "multivariate_event_collection_lookup_tickers", "multivariate_event_collection_single", "structured_target_single",
}  # fmt: skip
"""Files of operations that were removed since, or of items of which the simulated exchange has none."""


class Recorded(NamedTuple):
    """One recorded response; ``era`` is the month of its recording."""

    era: str
    name: str
    method: str
    path: str
    status: int
    body: Any


def recorded_bodies() -> Iterator[Recorded]:
    """Yield every recorded REST body; skips the test without recordings."""
    yield from _demo(recording("rest", "fortuna_demo_20260611"))
    for line in recording("ws", "jfreun123_demo_20260701_rest.jsonl").read_text().splitlines():
        one = json.loads(line)
        url = re.sub(r"^https?://[^/]+", "", one.get("url") or one.get("path") or one.get("target") or "")
        yield Recorded(
            "2026-07", url, one["method"], _path(url), one.get("status", 200), json.loads(one["response_body"])
        )
    for file in sorted(recording("rest", "obstacle_20260112").glob("*.json")):
        name = file.stem.removesuffix("_response")
        if name not in NOT_SERVED:
            yield Recorded("2026-01", name, *OLD_NAMES[name], -1, json.loads(file.read_text())["response"])
    yield from _production(recording("rest", "cockpit_prod_202608"))


def _path(url: str) -> str:
    return url.partition("?")[0].removeprefix("/trade-api/v2")


def _demo(folder: Path) -> Iterator[Recorded]:
    for note in sorted(folder.glob("*.meta.json")):
        call, content = json.loads(note.read_text()), Path(str(note).removesuffix(".meta.json") + ".json")
        if "method" in call and content.exists():
            path, name = _path(call["path"]), content.stem
            if not name.startswith("orders__legacy"):
                yield Recorded("2026-06", name, call["method"], path, call["status"], json.loads(content.read_text()))


def _production(folder: Path) -> Iterator[Recorded]:
    def read(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_text())

    def made(name: str, path: str, body: Any) -> Recorded:
        return Recorded("2026-08", name, "GET", path, 200, body)

    for ticker, one in read("candlesticks_mlb")["markets"].items():
        body = {"ticker": ticker, "candlesticks": one["candlesticks"]}
        yield made("candlesticks_mlb", f"/series/{one['series_ticker']}/markets/{ticker}/candlesticks", body)
    market = read("market_single")
    yield made("market_single", f"/markets/{market['ticker']}", market["single"])
    yield made("market_single", f"/markets/{market['ticker']}/orderbook", market["orderbook"])
    yield made("markets_settled", "/markets", {"cursor": "", "markets": read("markets_settled")["markets"]})
    yield made("portfolio_settlements", "/portfolio/settlements", read("portfolio_settlements_redacted")["payload"])
    for series, body in read("series_fee_fields")["payloads"].items():
        yield made("series_fee_fields", f"/series/{series}", body)


class Comparison:
    """Collects the differences of recorded bodies from a document, by recording month and structure."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._absent: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._schemas: dict[str, dict[str, Any]] = {}
        self._found: set[str] = set()
        self.compared = 0

    def add(self, one: Recorded) -> None:
        """Compare one body with the schema of its operation and status."""
        operation = self._operation(one)
        if operation is None:
            self._found.add(f"{one.era} {one.method} {one.path}: no such operation")
            return
        status = str(one.status) if one.status > 0 else min(operation["responses"])
        response = operation["responses"].get(status)
        if response is None:
            self._found.add(f"{one.era} {operation['operationId']}: recorded status {status}")
            return
        self.compared += 1
        if "content" in response:
            schema = response["content"]["application/json"]["schema"]
            self._walk(one.era, operation["operationId"], self._fitting(schema, one.body), one.body)

    def differences(self) -> list[str]:
        """Return one line for each kind of difference."""
        lines = set(self._found)
        for (era, name), seen in self._seen.items():
            unseen = self._schemas[name]["properties"].keys() - seen
            lines |= {f"{era} {name}.{field}: only ours" for field in unseen}
            lines |= {f"{era} {name}.{field}: absent in some" for field in self._absent[era, name] - unseen}
        return sorted(lines)

    def _operation(self, one: Recorded) -> dict[str, Any] | None:
        for path, operations in self._document["paths"].items():
            is_same = path == one.path or re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), one.path)
            if is_same and one.method.lower() in operations:
                found: dict[str, Any] = operations[one.method.lower()]
                return found
        return None

    def _fitting(self, schema: dict[str, Any], body: Any) -> dict[str, Any]:
        """Return the alternative that has the most fields of the body; only errors have several."""
        options = schema.get("anyOf", [schema])
        return max(options, key=lambda option: len(self._resolved(option).get("properties", {}).keys() & set(body)))

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self._document["components"]["schemas"][name] if name else schema
        return found

    def _walk(self, era: str, where: str, schema: dict[str, Any], value: Any) -> None:
        name = schema.get("$ref", "").rpartition("/")[2] or where
        schema = self._resolved(schema)
        if "anyOf" in schema:
            schema = self._resolved(schema["anyOf"][0])
            if value is None:
                return
        expected, actual = schema.get("type"), _type(value)
        if expected != actual and not (expected == "number" and actual == "integer"):
            self._found.add(f"{era} {name}: recorded {actual}, ours {expected}")
        elif actual == "array":
            for one in value:
                self._walk(era, name, schema["items"], one)
        elif actual == "object" and "properties" in schema:
            self._object(era, name, schema, value)
        elif actual == "string" and not _fits(schema, value):
            self._found.add(f"{era} {name}: another form of text than ours")

    def _object(self, era: str, name: str, schema: dict[str, Any], value: dict[str, Any]) -> None:
        self._schemas[name] = schema
        self._seen[era, name] |= value.keys()
        for field, inner in value.items():
            if field in schema["properties"]:
                self._walk(era, f"{name}.{field}", schema["properties"][field], inner)
            else:
                self._found.add(f"{era} {name}.{field}: only recorded")
        for field in set(schema.get("required", ())) - value.keys():
            self._absent[era, name].add(field)


def _type(value: Any) -> str:
    names: Iterable[tuple[type, str]] = (
        (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _fits(schema: dict[str, Any], text: str) -> bool:
    if "enum" in schema:
        return text in schema["enum"]
    return re.search(schema.get("pattern", ""), text) is not None


FRAMES = frozenset(
    {"orderbook_snapshot", "orderbook_delta", "trade", "ticker", "fill", "user_order", "order_group_updates"}
)
"""The kinds of frames that are recorded. ``market_position`` and lifecycle frames are not."""


def recorded_frames() -> dict[tuple[str, str], set[str]]:
    """Return the fields of each kind of recorded frame, by recording month and kind; skips without recordings.

    The private frames of ``perpetuals`` are those of another product: the only ones of their kinds that are recorded.
    """
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for era, file in _frame_files():
        content = file.read_bytes()
        for line in (gzip.decompress(content) if file.suffix == ".gz" else content).splitlines():
            frame = json.loads(line) if line.strip() else {}
            frame = frame.get("event", frame)
            if frame.get("type") in FRAMES:
                found[era, frame["type"]] |= frame["msg"].keys()
    return found


def _frame_files() -> Iterator[tuple[str, Path]]:
    for file in sorted(recording("ws").glob("*.jsonl")):
        date = re.search(r"_(20\d\d)(\d\d)\d\d", file.name)
        assert date is not None, file.name
        yield f"{date[1]}-{date[2]}", file
    for file in sorted(recording("perps_ws").glob("*private*.jsonl")):
        yield "perpetuals", file
    for file in sorted(recording("gold15m", "events").glob("*/*.gz"))[:2]:
        yield "2026-08", file
