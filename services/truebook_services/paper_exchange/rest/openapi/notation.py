"""The short notation of the tables, and the JSON Schema that it means.

| written | is |
|---|---|
| ``name:type`` ``name?:type`` | a field that is always there; one that may be absent |
| ``text`` ``int`` ``number`` ``bool`` | the JSON type |
| ``price`` ``count`` | a string: dollars with four to six decimals, contracts with two |
| ``time`` ``uuid`` | a string: RFC 3339 in UTC, whose fraction has no zeros at its end; a UUID |
| ``a|b`` | one of these words |
| ``0..63`` | a whole number within bounds |
| ``Name`` ``[type]`` ``{type}`` | another structure, an array, an object with any keys |
| ``type~`` | the type or null |
"""

from __future__ import annotations

import re
from typing import Any, Final

_PLAIN: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "price": {"type": "string", "pattern": r"^-?\d+\.\d{4,6}$"},
    "count": {"type": "string", "pattern": r"^-?\d+\.\d{2}$"},
    "time": {
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z$",
    },
    "uuid": {"type": "string", "format": "uuid"},
    "object": {"type": "object"},
}
_BOUNDS: Final = re.compile(r"(-?\d+)\.\.(\d+)")
COMPONENTS: Final = "#/components/schemas/"


def schema_of(text: str) -> dict[str, Any]:
    """Return the JSON Schema of a type; raises ``ValueError`` for one that is not in the table above."""
    if text.endswith("~"):
        return {"anyOf": [schema_of(text[:-1]), {"type": "null"}]}
    if text.startswith("["):
        return {"type": "array", "items": schema_of(text[1:-1])}
    if text.startswith("{"):
        return {"type": "object", "additionalProperties": schema_of(text[1:-1])}
    if text in _PLAIN:
        return dict(_PLAIN[text])
    bounds = _BOUNDS.fullmatch(text)
    if bounds is not None:
        return {"type": "integer", "minimum": int(bounds[1]), "maximum": int(bounds[2])}
    if "|" in text:
        return {"type": "string", "enum": text.split("|")}
    if text[:1].isupper():
        return {"$ref": COMPONENTS + text}
    raise ValueError(f"{text!r} is no type of the notation")


def structure(fields: str, *, is_open: bool = False) -> dict[str, Any]:
    """Return the schema of an object with these fields, and no others unless it is open."""
    properties, required = {}, []
    for one in fields.split():
        name, _, kind = one.partition(":")
        properties[name.rstrip("?")] = schema_of(kind)
        if not name.endswith("?"):
            required.append(name)
    made: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        made["required"] = required
    return made if is_open else made | {"additionalProperties": False}
