"""The fields of each request body, as the exchange's OpenAPI document 3.34.0 names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

REQUEST_FIELDS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "CreateOrderV2Request": (
            "ticker client_order_id side count price expiration_time time_in_force post_only "
            "self_trade_prevention_type cancel_order_on_pause reduce_only subaccount order_group_id exchange_index"
        ),
        "AmendOrderV2Request": (
            "ticker side price count client_order_id updated_client_order_id expiration_time exchange_index"
        ),
        "DecreaseOrderV2Request": "reduce_by reduce_to exchange_index market_ticker",
        "BatchCancelOrdersV2Request": "order_id subaccount exchange_index market_ticker",
        "BatchRequest": "orders ids",
        "OrderGroupRequest": "subaccount contracts_limit contracts_limit_fp exchange_index",
        "IntraExchangeInstanceTransferRequest": (
            "source destination amount source_exchange_shard destination_exchange_shard source_subaccount "
            "destination_subaccount client_transfer_id"
        ),
        "UpdateTargetBalanceAllocationRequest": "allocations resting_margin_reservation",
        "CreateApiKeyRequest": "name public_key scopes subaccount fcm_subtrader_id",
        "GenerateApiKeyRequest": "name key_type scopes subaccount fcm_subtrader_id",
        "CreateSubaccountRequest": "exchange_index",
        "ApplySubaccountTransferRequest": (
            "client_transfer_id from_subaccount to_subaccount amount_cents exchange_index"
        ),
        "UpdateSubaccountNettingRequest": "subaccount_number enabled",
    }.items()
}


def unknown_fields(structure: str, raw: Mapping[str, Any]) -> Iterable[str]:
    """Name the fields of a body that its structure does not have, in the order in which they were given."""
    known = REQUEST_FIELDS[structure]
    return [name for name in raw if name not in known]
