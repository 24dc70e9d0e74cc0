"""The differences between the exchange's API, as its clients state it, and what is simulated: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spec_drift.client_wheels import Api
from spec_drift.own_api import absent, parameters, same_path, served
from truebook_services.paper_exchange.rest.request_fields import REQUEST_FIELDS
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

OWN_NAMES = {
    "BatchCancelOrdersV2Request": "BatchCancelOrdersV2RequestOrdersInner",
    "OrderGroupRequest": "CreateOrderGroupRequest",
    "UpdateTargetBalanceAllocationRequest": "SetTargetBalanceAllocationRequest",
}  # fmt: skip
"""Structures that have another name in the official client."""


def differences(api: Api, channels: Sequence[str], responses: Mapping[str, Sequence[Any]]) -> list[str]:
    """List all differences, sorted; what the exchange's clients have and a reader must know is a line as well."""
    return sorted({*_operations(api), *_requests(api), *_responses(api, responses), *_enums(api), *_channels(channels)})


def _operations(api: Api) -> Iterator[str]:
    ours, refused, read = served(), absent(), parameters()
    official = {f"{key.split()[0]} {same_path(key.split()[1])}": one for key, one in api.operations.items()}
    for key, operation in official.items():
        if key in refused:
            yield f"operation not simulated: {key}"
        elif key not in ours:
            yield f"operation unknown: {key}"
        elif key.startswith("GET"):
            for name in sorted(set(operation.parameters) ^ set(read.get(key, ()))):
                yield f"parameter {'unknown' if name in operation.parameters else 'only ours'}: {key} {name}"
    for key in ours - official.keys():
        yield f"operation only ours: {key}"


def _requests(api: Api) -> Iterator[str]:
    for name, fields in REQUEST_FIELDS.items():
        official = api.models.get(OWN_NAMES.get(name, name))
        if official is None:
            yield f"request only ours: {name}"
            continue
        for field in sorted(fields ^ official.keys()):
            yield f"request field {'only ours' if field in fields else 'unknown'}: {name}.{field}"


def _responses(api: Api, responses: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    sent: dict[str, set[str]] = {}
    official = {f"{key.split()[0]} {same_path(key.split()[1])}": one for key, one in api.operations.items()}
    for key, bodies in responses.items():
        operation = official.get(key)
        if operation is not None and operation.model in api.models:
            for body in bodies:
                yield from _walk(api, operation.model, body, sent)
    for model, names in sent.items():
        for field, rule in api.models[model].items():
            if field not in names:
                yield f"field not sent: {model}.{field}{' (required)' if rule.required else ''}"
    for key in served() & official.keys():
        if official[key].model in api.models and key not in responses:
            yield f"response not seen: {key}"


def _walk(api: Api, model: str, value: Any, sent: dict[str, set[str]]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(api, model, item, sent)
        return
    if not isinstance(value, dict):
        allowed = api.enums.get(model)
        if allowed is not None and value not in allowed:
            yield f"value unknown: {model} {value}"
        return
    fields = api.models[model]
    sent.setdefault(model, set()).update(value)
    for name, inner in value.items():
        if name not in fields:
            yield f"field only ours: {model}.{name}"
            continue
        allowed = api.enums.get(f"{model}.{name}")
        if allowed is not None and isinstance(inner, str) and inner not in allowed:
            yield f"value unknown: {model}.{name} {inner}"
        for item in inner if isinstance(inner, list) else [inner]:
            if fields[name].model and item is not None:
                yield from _walk(api, fields[name].model, item, sent)
        if fields[name].required and inner is None:
            yield f"field null: {model}.{name}"


def _enums(api: Api) -> Iterator[str]:
    """State every enum: a new value is a new line."""
    for name, values in api.enums.items():
        yield f"enum: {name} = {' '.join(sorted(values))}"


def _channels(channels: Sequence[str]) -> Iterator[str]:
    for channel in sorted(set(channels) ^ set(StreamChannel)):
        yield f"channel {'not simulated' if channel in channels else 'only ours'}: {channel}"
