"""The OpenAPI 3.1 document of the simulated exchange, from its endpoints and the tables of this package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from truebook_services.paper_exchange.rest.openapi.notation import COMPONENTS, schema_of, structure
from truebook_services.paper_exchange.rest.openapi.operations import FORMS, Form
from truebook_services.paper_exchange.rest.openapi.structures import BODIES, STRUCTURES
from truebook_services.paper_exchange.rest.requests import Endpoint

_PATH_NAME: Final = re.compile(r"{(\w+)}")
_ERRORS: Final = {
    400: ("A value or a body that is not accepted", ("NestedError", "FlatError", "ParameterError")),
    401: ("No valid signature", ("NestedError",)),
    403: ("A key without the scope, or another subaccount's", ("NestedError",)),
    404: ("No such item", ("NestedError",)),
    409: ("Refused in the present state", ("NestedError",)),
    410: ("An endpoint that was removed", ("NestedError",)),
    429: ("Too many requests", ("TooManyRequests",)),
    501: ("Not simulated", ("NestedError",)),
}
_SECURITY: Final = {
    "key": "KALSHI-ACCESS-KEY",
    "time": "KALSHI-ACCESS-TIMESTAMP",
    "signature": "KALSHI-ACCESS-SIGNATURE",
}
_DESCRIPTION: Final = (
    "What `truebook exchange` serves. Requests are signed as at Kalshi: RSA-PSS or Ed25519 over the time in "
    "milliseconds, the method and the path without the query. The response header `Truebook-Ignored` names what a "
    "request gives and nothing reads. See docs/exchange-api.md."
)


def document(endpoints: Sequence[Endpoint], prefix: str, version: str) -> dict[str, Any]:
    """Return the document of these endpoints, all below ``prefix``."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    schemas = {name: structure(fields) for name, fields in STRUCTURES.items()}
    schemas |= {name: structure(fields, is_open=True) for name, fields in BODIES.items()}
    used = _referenced({"paths": paths}, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Truebook simulated exchange", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {
            "schemas": {name: schemas[name] for name in sorted(used)},
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": header} for name, header in _SECURITY.items()
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    form = FORMS.get(endpoint.name)
    made: dict[str, Any] = {"operationId": _operation_id(endpoint), "summary": _summary(endpoint)}
    parameters = [_path_parameter(name) for name in _PATH_NAME.findall(endpoint.path)]
    if form is not None:
        parameters += [_query_parameter(text) for text in form.query.split()]
    if parameters:
        made["parameters"] = parameters
    if form is not None and form.body is not None:
        content = {"application/json": {"schema": schema_of(form.body.rstrip("?"))}}
        made["requestBody"] = {"required": not form.body.endswith("?"), "content": content}
    made["responses"] = _responses(endpoint, form)
    if endpoint.access != "public":
        made["security"] = [{name: [] for name in _SECURITY}]
    return made


def _operation_id(endpoint: Endpoint) -> str:
    if endpoint.name != "Legacy":
        return endpoint.name
    words = [word for word in re.split(r"\W+", endpoint.path) if word]
    return f"Removed{endpoint.method.title()}" + "".join(word.title().replace("_", "") for word in words)


def _summary(endpoint: Endpoint) -> str:
    """Return the first sentence of the handler's docstring, else the words of the operation's name."""
    text = (endpoint.handler.__doc__ or "").strip().split("\n")[0]
    if text:
        return text.rstrip(".")
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+|\d+", endpoint.name.removesuffix("V2"))
    return " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameter(text: str) -> dict[str, Any]:
    name, _, kind = text.partition(":")
    schema = schema_of(kind)
    made: dict[str, Any] = {"name": name.rstrip("!*"), "in": "query", "required": "!" in name}
    if "*" in name:
        return made | {"schema": {"type": "array", "items": schema, "maxItems": 100}, "explode": True}
    return made | {"schema": schema}


def _responses(endpoint: Endpoint, form: Form | None) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if form is not None:
        made[str(form.status)] = _success(form.response)
    return made | {str(status): _error(status) for status in _error_statuses(endpoint, form)}


def _success(response: str) -> dict[str, Any]:
    made: dict[str, Any] = {"description": "Success"}
    if response:
        is_type = ":" not in response
        schema = schema_of(response) if is_type else structure(response)
        made["content"] = {"application/json": {"schema": schema}}
    return made


def _error_statuses(endpoint: Endpoint, form: Form | None) -> list[int]:
    if endpoint.name == "Legacy":
        return [401, 403, 410, 429]
    if form is None and endpoint.access == "public" and not endpoint.cost:
        return [501]
    statuses = {429}
    if form is None or form.query or form.body or "{" in endpoint.path:
        statuses |= {400, 404}
    if endpoint.access != "public":
        statuses |= {400, 401, 403}
    if endpoint.access == "write":
        statuses |= {404, 409}
    return sorted(statuses)


def _error(status: int) -> dict[str, Any]:
    description, names = _ERRORS[status]
    schemas = [{"$ref": COMPONENTS + name} for name in names]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _referenced(part: Any, schemas: dict[str, Any]) -> set[str]:
    """Return the names of the structures that a part of the document refers to, directly or not."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            name = str(one.get("$ref", "")).removeprefix(COMPONENTS)
            if name and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += one.values()
    return found
