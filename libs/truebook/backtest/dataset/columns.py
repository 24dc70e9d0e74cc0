"""The columns of a data set, and the description that its file carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from truebook.backtest.dataset.labels import OUTCOME_COLUMN, fill_column, label_columns, mid_column
from truebook.backtest.dataset.request import FILL_S, FILL_SIZE_CENTI, DatasetRequest
from truebook.backtest.errors import DatasetError
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.queue import QueueModel

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT: Final = "1"
PREFIX: Final = "truebook."
"""Of the keys in the schema's metadata."""
KEYS: Final = {
    "at_us": ("int64", "time of the observation, microseconds since 1970 (UTC); never decreases"),
    "ticker": ("dictionary", "the market"),
    "event": ("dictionary", "the market's event: rows of one event share its outcome"),
    "close_us": ("int64", "when the market closes, as known at the time, microseconds since 1970"),
    "best_bid_cc": ("int32", "best bid of the YES leg, 1/100 cent"),
    "best_bid_centi": ("int64", "size at the best bid, 1/100 contract"),
    "best_ask_cc": ("int32", "best ask of the YES leg, 1/100 cent"),
    "best_ask_centi": ("int64", "size at the best ask, 1/100 contract"),
}
"""Columns that identify a row and are no features, with type and meaning."""


def dataset_schema(request: DatasetRequest, metadata: dict[str, str]) -> pa.Schema:
    """Return the schema; raises ``DatasetError`` where a feature has the name of another column."""
    import pyarrow as pa

    labels = label_columns(request)
    if repeated := sorted({*KEYS, *labels} & set(request.layout.names)):
        raise DatasetError(
            f"layout {request.layout.name}: {', '.join(repeated)} can't be the name of a feature in a data set; "
            "rename it in the layout"
        )
    types = {"dictionary": pa.dictionary(pa.int32(), pa.string())}
    fields = [
        *(
            _field(name, types.get(kind) or pa.type_for_alias(kind), "key", meaning)
            for name, (kind, meaning) in KEYS.items()
        ),
        *(
            _field(each.name, pa.float32(), "feature", f"{each.about} ({each.low:g} to {each.high:g})")
            for each in request.layout.features
        ),
        *(_label_field(name, request) for name in labels),
    ]
    return pa.schema(fields, metadata={PREFIX + key: value for key, value in metadata.items()})


def description(request: DatasetRequest, data_sha256: str) -> dict[str, str]:
    """Return what the file's metadata contain beside its columns."""
    window = request.window
    return {
        "dataset_format": FORMAT,
        "version": request.version,
        "layout": request.layout.name,
        "layout_hash": request.layout.hash,
        "data": request.recording.name,
        "data_sha256": data_sha256,
        "from_us": str(window.from_us) if window.from_us else "",
        "to_us": "" if window.to_us is None else str(window.to_us),
        "markets": msgspec.json.encode(sorted(window.markets)).decode(),
        "throttle_us": str(request.settings.observation.throttle_us),
        "labels": msgspec.json.encode(label_columns(request)).decode(),
    }


def _label_field(name: str, request: DatasetRequest) -> Any:
    import pyarrow as pa

    if name == OUTCOME_COLUMN:
        meaning = "settlement value of a YES contract, 1/100 cent: 0 to 10,000; null: not known in the window"
        return _field(name, pa.int32(), "label", meaning)
    for horizon_s in request.horizons_s:
        if name == mid_column(horizon_s):
            meaning = f"mid price after {horizon_s} s less that of the row, 1/200 cent; null: not known"
            return _field(name, pa.int32(), "label", meaning)
    side, queue = next(
        (side, queue) for side in BookSide for queue in QueueModel if name == fill_column(side, queue)
    )  # fmt: skip
    meaning = (
        f"whether {FILL_SIZE_CENTI // 100} contract that joins the best {side} of the row is filled within {FILL_S} s, "
        f"by the {queue} queue model; null: not known"
    )
    return _field(name, pa.bool_(), "label", meaning)


def _field(name: str, kind: Any, role: str, meaning: str) -> Any:
    import pyarrow as pa

    return pa.field(name, kind, nullable=role == "label", metadata={"role": role, "meaning": meaning})
