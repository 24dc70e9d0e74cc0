"""Versions of the exchange's OpenAPI document that can be served, and what an older one lacks.

Source: the official client's wheels of both numbers, compared. What a version lacks is ignored in a request, and
reported as such; ``settlement_bounds_type`` of a market came, and ``liquidity_dollars`` went, between the two.
"""

from __future__ import annotations

from typing import Final, Literal

Spec = Literal["3.30", "3.34"]
OLDER: Final = "3.30"
LATER_PARAMETERS: Final[dict[str, frozenset[str]]] = {
    "GetMarkets": frozenset({"max_updated_ts"}),
    "GetPositions": frozenset({"settlement_status"}),
    "GetHistoricalOrders": frozenset({"subaccount"}),
    "GetFillsHistorical": frozenset({"subaccount"}),
}
"""Query parameters of 3.34 that 3.30 lacks, by operation."""
LATER_FIELDS: Final[dict[str, frozenset[str]]] = {
    "AmendOrderV2Request": frozenset({"expiration_time"}),
    "GenerateApiKeyRequest": frozenset({"key_type"}),
    "IntraExchangeInstanceTransferRequest": frozenset({"client_transfer_id"}),
}
"""Fields of bodies, by structure."""


def lacking_parameters(spec: Spec, operation: str) -> frozenset[str]:
    return LATER_PARAMETERS.get(operation, frozenset()) if spec == OLDER else frozenset()


def lacking_fields(spec: Spec, structure: str) -> frozenset[str]:
    return LATER_FIELDS.get(structure, frozenset()) if spec == OLDER else frozenset()
