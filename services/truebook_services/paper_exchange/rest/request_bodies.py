"""Decodes request bodies strictly: counts and prices are strings, every field has one JSON type.

A wrong JSON type is rejected with the text of the exchange's own decoder (shape b), a missing or invalid value with
``invalid_parameters`` (shape a).
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.kalshi.wire.times import LAST_US, to_unix_s
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.money import WireFormatError, parse_price_cc, parse_size_centi
from truebook.simulation.venue.account_book import INVALID_ORDER_SIZE
from truebook.simulation.venue.order_changes import Amendment
from truebook.simulation.venue.subaccount_names import MAX_SUBACCOUNT, PRIMARY
from truebook.venue.account import OrderRequest, SelfTradePrevention
from truebook.venue.shards import AUTOMATIC, DEFAULT_SHARD, MAX_SHARD
from truebook_services.paper_exchange.errors import WireError, bad_request, nested, rejected

_GO_TYPES: Final[dict[type, str]] = {str: "string", bool: "bool", int: "int64", list: "[]json.RawMessage"}
CLIENT_ID_LIMIT: Final = 64


def read_object(body: bytes) -> dict[str, Any]:
    """Decode a body that must be a JSON object."""
    try:
        raw = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise bad_request(f"invalid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise bad_request(f"json: cannot unmarshal {_json_type(raw)} into Go value of type object")
    return raw


def field(raw: dict[str, Any], structure: str, name: str, kind: type, default: Any = None) -> Any:
    """Read a field of one JSON type; null and absent give the default."""
    value = raw.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        place = f"field {structure}.{name} of type {_GO_TYPES[kind]}"
        raise bad_request(f"json: cannot unmarshal {_json_type(value)} into Go struct {place}")
    return value


def invalid(details: str) -> WireError:
    return nested(400, "invalid_parameters", details)


def read_create(raw: dict[str, Any], generated_id: str) -> OrderRequest:
    """Read one create-order request; ``generated_id`` is the client order id if it has none."""

    def get(name: str, kind: type, default: Any = None) -> Any:
        return field(raw, "CreateOrderV2Request", name, kind, default)

    count, price = get("count", str), get("price", str)
    ticker, side = get("ticker", str), get("side", str)
    time_in_force = get("time_in_force", str)
    prevention = get("self_trade_prevention_type", str)
    for name, value in (
        ("ticker", ticker), ("side", side), ("count", count), ("price", price), ("time_in_force", time_in_force),
        ("self_trade_prevention_type", prevention),
    ):  # fmt: skip
        if not value:
            raise invalid(f"{name} is required")
    expiration_s = _expiration(get("expiration_time", int))
    if expiration_s is not None and time_in_force != TimeInForce.GOOD_TILL_CANCELED:
        raise invalid("expiration_time needs time_in_force good_till_canceled")
    exchange_index = read_shard(raw, "CreateOrderV2Request")
    return OrderRequest(
        ticker=ticker,
        client_order_id=_client_order_id(get("client_order_id", str) or generated_id),
        book_side=_word(BookSide, side, "side"),
        price_cc=read_price(price),
        size_centi=read_count(count),
        time_in_force=_word(TimeInForce, time_in_force, "time_in_force"),
        self_trade_prevention=_word(SelfTradePrevention, prevention, "self_trade_prevention_type"),
        expiration_s=expiration_s or None,
        post_only=get("post_only", bool, False),
        reduce_only=get("reduce_only", bool, False),
        cancel_order_on_pause=get("cancel_order_on_pause", bool, False),
        order_group_id=get("order_group_id", str) or None,
        exchange_index=exchange_index,
    )


def read_shard(raw: dict[str, Any], structure: str) -> int | None:
    """Read the shard that a body names: None, -1 (automatic), or one from 0."""
    index: int | None = field(raw, structure, "exchange_index", int)
    if index is not None and not AUTOMATIC <= index <= MAX_SHARD:
        raise invalid(f"exchange_index: a number from {AUTOMATIC} to {MAX_SHARD} is required")
    return index


def read_own_shard(raw: dict[str, Any], structure: str) -> int:
    """Read the shard of what is in no market: the default one if the body names none, or leaves it to the exchange."""
    return max(DEFAULT_SHARD, read_shard(raw, structure) or DEFAULT_SHARD)


def read_subaccount(raw: dict[str, Any], structure: str, name: str = "subaccount") -> int | None:
    """Read the number of a subaccount; None if the body has none."""
    number: int | None = field(raw, structure, name, int)
    if number is not None and not PRIMARY <= number <= MAX_SUBACCOUNT:
        raise invalid(f"{name}: a number from {PRIMARY} to {MAX_SUBACCOUNT} is required")
    return number


def read_transfer_id(raw: dict[str, Any], structure: str) -> str | None:
    """Read the caller's id of a transfer, a UUID; None if the body has none."""
    text = field(raw, structure, "client_transfer_id", str)
    try:
        return None if text is None else str(uuid.UUID(text))
    except ValueError as error:
        raise invalid("client_transfer_id: a UUID is required") from error


def read_amendment(raw: dict[str, Any]) -> Amendment:
    """Read an amend request; ``count`` is the total size, filled size included."""

    def get(name: str, kind: type) -> Any:
        return field(raw, "AmendOrderV2Request", name, kind)

    given = {name: get(name, str) for name in ("ticker", "side", "price", "count")}
    for name, value in given.items():
        if not value:
            raise invalid(f"{name} is required")
    renamed = get("updated_client_order_id", str) or None
    return Amendment(
        ticker=given["ticker"],
        book_side=_word(BookSide, given["side"], "side"),
        price_cc=read_price(given["price"]),
        total_centi=read_count(given["count"]),
        client_order_id=get("client_order_id", str) or None,
        updated_client_order_id=None if renamed is None else _client_order_id(renamed),
        expiration_s=_expiration(get("expiration_time", int)),
    )


def _expiration(time_s: int | None) -> int | None:
    """Check a time in unix seconds; milliseconds by mistake are far outside the calendar."""
    if time_s is not None and not 0 <= time_s <= to_unix_s(LAST_US):
        raise invalid("expiration_time: unix seconds are required")
    return time_s


def read_decrease(raw: dict[str, Any]) -> tuple[int | None, int | None]:
    """Read a decrease request: (by, to), of which the engine requires exactly one."""
    by, to = (field(raw, "DecreaseOrderV2Request", name, str) for name in ("reduce_by", "reduce_to"))
    return (None if by is None else read_count(by)), (None if to is None else read_count(to, minimum=0))


def read_group_limit(raw: dict[str, Any]) -> int:
    """Read the limit of an order group, in hundredths: as whole contracts, as a count, or as both if they agree."""
    whole = field(raw, "OrderGroupRequest", "contracts_limit", int)
    text = field(raw, "OrderGroupRequest", "contracts_limit_fp", str)
    limits = {limit for limit in (None if whole is None else whole * 100, text and read_count(text)) if limit}
    if len(limits) != 1 or min(limits) < 1:
        raise invalid("contracts_limit or contracts_limit_fp: one number of contracts above 0 is required")
    return limits.pop()


def read_price(text: str) -> int:
    """Read a YES price; the engine checks that it is on the market's grid."""
    try:
        return parse_price_cc(text)
    except WireFormatError as error:
        raise nested(400, "invalid_price", str(error)) from error


def read_count(text: str, minimum: int = 1) -> int:
    """Read a number of contracts, in hundredths."""
    try:
        centi = parse_size_centi(text)
    except WireFormatError as error:
        raise nested(400, "invalid_order_size", str(error)) from error
    if centi < minimum:
        raise rejected(INVALID_ORDER_SIZE)
    return centi


def _client_order_id(text: str) -> str:
    if len(text) > CLIENT_ID_LIMIT or not text.isascii() or "." in text or not text.isprintable():
        raise invalid("client_order_id: at most 64 printable ASCII characters, no '.'")
    return text


def _word(words: Any, text: str, name: str) -> Any:
    try:
        return words(text)
    except ValueError as error:
        raise invalid(f"{name}: {text!r} is not one of {', '.join(words)}") from error


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
