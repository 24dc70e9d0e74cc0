"""Capture format 2 on disk: one Parquet file (zstd) per UTC day, with the rows of ``capture.rows`` in recorded order.

| column | Parquet type | content |
|---|---|---|
| ``at_us`` | int64 | time of receipt, microseconds since 1970 (UTC); never decreases |
| ``exchange_us`` | int64 | the exchange's time of the event; 0: unknown |
| ``market`` | string, dictionary | ticker; null where a row belongs to no market |
| ``kind`` | int8 | ``rows.Kind`` |
| ``side`` | int8 | 1 bid, -1 ask (of a trade the taker's), 0 none; YES leg |
| ``price_cc`` | int32 | 1/100 cent of the YES leg |
| ``size_centi`` | int64 | 1/100 contract; signed in a delta; of a snapshot the number of its level rows |
| ``connection`` | int32 | the recorder's connection |
| ``sid`` | int32 | the subscription; -1: not stated |
| ``detail`` | string | trade id, life-cycle fields, frame type or reason of skipping, by ``kind`` |

A row group has about ``ROW_GROUP_ROWS`` rows and begins with an event: a snapshot and its levels are in one row group.
Every integer is little-endian by the definition of Parquet, so that files are the same on any machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from truebook.capture.manifest import CaptureError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_ROWS: Final = 131_072
NUMBERS: Final = {
    "at_us": "int64", "exchange_us": "int64", "kind": "int8", "side": "int8", "price_cc": "int32",
    "size_centi": "int64", "connection": "int32", "sid": "int32",
}  # fmt: skip
"""The integer columns and their types."""
DELTA_ENCODED: Final = {"at_us": "DELTA_BINARY_PACKED", "exchange_us": "DELTA_BINARY_PACKED"}
"""Columns that are stored as differences: times grow slowly."""
COLUMNS: Final = (
    "at_us", "exchange_us", "market", "kind", "side", "price_cc", "size_centi", "connection", "sid", "detail",
)  # fmt: skip


def require_pyarrow() -> None:
    """Raise ``CaptureError`` where the library that reads and writes Parquet is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise CaptureError("Parquet files need the library pyarrow: install truebook[research]") from None


def arrow_schema() -> pa.Schema:
    """Return the schema of a day's file."""
    import pyarrow as pa

    types = {
        **{name: pa.type_for_alias(kind) for name, kind in NUMBERS.items()},
        "market": pa.dictionary(pa.int32(), pa.string()),
        "detail": pa.string(),
    }
    return pa.schema([pa.field(name, types[name], nullable=name in ("market", "detail")) for name in COLUMNS])
