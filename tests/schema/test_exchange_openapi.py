"""docs/exchange-openapi.yaml: it is current, valid, and describes every endpoint, parameter and field."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from spec_drift.own_api import responses, same_path
from support.kalshi_required import PARAMETERS
from support.paper_client import paper_settings, running
from truebook_services.paper_exchange.rest.application import ENDPOINTS, PREFIX
from truebook_services.paper_exchange.rest.openapi.document import document
from truebook_services.paper_exchange.rest.openapi.notation import schema_of
from truebook_services.paper_exchange.rest.openapi.operations import FORMS
from truebook_services.paper_exchange.rest.openapi.served import VERSION
from truebook_services.paper_exchange.rest.openapi.structures import BODIES, STRUCTURES
from truebook_services.paper_exchange.rest.request_fields import REQUEST_FIELDS

ROOT = Path(__file__).parents[2]
DOCUMENT = document(ENDPOINTS, PREFIX, VERSION)
BODY_FIELDS = {
    "AmendOrder": "AmendOrderV2Request", "CancelItem": "BatchCancelOrdersV2Request", "NewApiKey": "CreateApiKeyRequest",
    "DecreaseOrder": "DecreaseOrderV2Request", "NewOrder": "CreateOrderV2Request", "NewOrderGroup": "OrderGroupRequest",
    "GeneratedApiKey": "GenerateApiKeyRequest", "NewShardTransfer": "IntraExchangeInstanceTransferRequest",
    "NewSubaccount": "CreateSubaccountRequest", "NewSubaccountTransfer": "ApplySubaccountTransferRequest",
    "SwitchedNetting": "UpdateSubaccountNettingRequest", "TargetAllocation": "UpdateTargetBalanceAllocationRequest",
}  # fmt: skip
NOT_DESCRIBED = {"fcm_subtrader_id"}


def test_the_committed_page_is_what_the_code_generates() -> None:
    spec = importlib.util.spec_from_file_location("openapi_page", ROOT / "deploy/openapi.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (ROOT / "docs/exchange-openapi.yaml").read_text() == script.page(), "run `make openapi`"


def test_the_document_is_valid_openapi() -> None:
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []
    page = yaml.safe_load((ROOT / "docs/exchange-openapi.yaml").read_text())
    assert page == DOCUMENT
    ids = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids)) == len(ENDPOINTS)


def test_every_form_is_of_an_endpoint_and_every_structure_is_used() -> None:
    assert set(FORMS) - {one.name for one in ENDPOINTS} == set()
    assert set(DOCUMENT["components"]["schemas"]) == {*STRUCTURES, *BODIES}


def test_bodies_have_the_fields_that_are_read() -> None:
    for name, structure in BODY_FIELDS.items():
        described = set(DOCUMENT["components"]["schemas"][name]["properties"])
        assert described == REQUEST_FIELDS[structure] - NOT_DESCRIBED, name


def test_reads_have_the_parameters_of_kalshis_document() -> None:
    for path, names in PARAMETERS.items():
        operation = DOCUMENT["paths"][path]["get"]
        described = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        if operation["operationId"] in FORMS:  # else it has no items, whatever the parameters
            assert set(names.split()) - described == set(), path


def test_every_response_of_a_session_has_its_structure() -> None:
    by_operation = {
        f"{method.upper()} {same_path(path)}": operation
        for path, operations in DOCUMENT["paths"].items() for method, operation in operations.items()
    }  # fmt: skip
    found = asyncio.run(responses())
    assert len(found) > 70
    for name, bodies in found.items():
        success = next(body for status, body in by_operation[name]["responses"].items() if status in ("200", "201"))
        schema = success["content"]["application/json"]["schema"] | {"components": DOCUMENT["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        errors = [error for body in bodies for error in validator.iter_errors(body)]
        assert [f"{error.instance_path}: {error.message[:200]}" for error in errors] == [], name


async def test_the_exchange_serves_its_document() -> None:
    async with running(paper_settings(markets=1)) as client:
        response = await client.http.get("/simulated/openapi.json")
        assert response.status_code == 200
        assert response.json() == DOCUMENT


@pytest.mark.parametrize("text", ["money", "", "..3", "lower"])
def test_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no type of the notation"):
        schema_of(text)


def parameters_of(name: str) -> list[dict[str, Any]]:
    return [one for one in DOCUMENT["paths"][name]["get"]["parameters"] if one["in"] == "query"]


def test_repeated_and_required_parameters_are_marked() -> None:
    first = parameters_of("/markets/candlesticks")[0]
    assert (first["name"], first["required"], first["schema"]["type"]) == ("market_tickers", True, "array")
