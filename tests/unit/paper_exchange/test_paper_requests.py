"""Request bodies: decoding and rejections."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.paper_client import order_body
from truebook.messages.envelope import BookSide, TimeInForce
from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rest.request_bodies import read_create, read_object


def refusal(**changes: Any) -> WireError:
    with pytest.raises(WireError) as caught:
        read_create(order_body("T") | changes, "unnamed")
    assert caught.value.status == 400
    return caught.value


def test_a_request_is_decoded_into_integer_units() -> None:
    body = order_body("T", side="ask", count="10", price="0.56", client_order_id="mine", expiration_time=1_800_000_000)
    request = read_create(body, "unnamed")
    assert (request.book_side, request.size_centi, request.price_cc) == (BookSide.ASK, 1_000, 5_600)
    assert (request.client_order_id, request.expiration_s) == ("mine", 1_800_000_000)
    assert request.time_in_force is TimeInForce.GOOD_TILL_CANCELED


def test_an_order_without_an_id_gets_one() -> None:
    body = order_body("T")
    del body["client_order_id"]
    assert read_create(body, "unnamed").client_order_id == "unnamed"


@pytest.mark.parametrize(
    ("name", "value", "found", "kind"),
    [
        ("count", 1, "number", "string"),
        ("count", 1.5, "number", "string"),
        ("price", 0.56, "number", "string"),
        ("post_only", "yes", "string", "bool"),
        ("expiration_time", "soon", "string", "int64"),
        ("expiration_time", True, "bool", "int64"),
        ("ticker", ["T"], "array", "string"),
    ],
)
def test_a_wrong_json_type_has_the_exchanges_decoder_text(name: str, value: object, found: str, kind: str) -> None:
    assert refusal(**{name: value}).body == {
        "code": "bad_request",
        "message": "bad request",
        "details": f"json: cannot unmarshal {found} into Go struct field CreateOrderV2Request.{name} of type {kind}",
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ticker": None}, "invalid_parameters"),
        ({"self_trade_prevention_type": None}, "invalid_parameters"),
        ({"time_in_force": None}, "invalid_parameters"),
        ({"side": "yes"}, "invalid_parameters"),
        ({"time_in_force": "forever"}, "invalid_parameters"),
        ({"time_in_force": "immediate_or_cancel", "expiration_time": 1_800_000_000}, "invalid_parameters"),
        ({"client_order_id": "a.b"}, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, "invalid_parameters"),
        ({"price": "cheap"}, "invalid_price"),
        ({"price": "0.56001"}, "invalid_price"),
        ({"count": "0"}, "invalid_order_size"),
        ({"count": "-1.00"}, "invalid_order_size"),
        ({"count": "1.001"}, "invalid_order_size"),
    ],
)
def test_an_invalid_value_is_rejected_with_its_code(changes: dict[str, Any], code: str) -> None:
    assert refusal(**changes).body["error"]["code"] == code


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff"])
def test_a_body_that_is_not_an_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        read_object(body)
    assert (caught.value.status, caught.value.body["code"]) == (400, "bad_request")


def test_unknown_fields_are_ignored() -> None:
    assert read_create(read_object(msgspec.json.encode(order_body("T", brand_new=1))), "unnamed").ticker == "T"
