"""Writes a data set: observed, labelled and written block by block; the file is complete or absent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from truebook.backtest.dataset.columns import PREFIX, dataset_schema, description
from truebook.backtest.dataset.labels import Labeller, Values, label_columns
from truebook.backtest.dataset.observing import observe
from truebook.backtest.dataset.request import DatasetRequest
from truebook.backtest.errors import DatasetError
from truebook.backtest.window import digest_of
from truebook.capture.columnar.schema import require_pyarrow
from truebook.capture.market_metadata import capture_metadata
from truebook.files import PART, sync_folder
from truebook.messages.observations import Observation
from truebook.models.batch import stack

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION_LEVEL: Final = 6
Progress = Callable[[int, int, int], None]
"""Called with (events so far, rows so far, time of the recording) after each block."""


class MarketRowCount(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one market, and its outcome if that is a known label."""

    ticker: str
    rows: int
    outcome_cc: int | None


class DatasetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    out: str
    layout: str
    layout_hash: str
    data_sha256: str
    events: int
    rows: int
    from_us: int
    to_us: int
    """Times of the first and the last row."""
    known: dict[str, int]
    """Rows whose label is known, by column."""
    markets: tuple[MarketRowCount, ...]


def write_dataset(request: DatasetRequest, progress: Progress = lambda events, rows, at_us: None) -> DatasetSummary:
    """Write a data set; an existing one is replaced when the new one is complete.

    Raises ``CaptureError``, ``DatasetError`` and OSError; no new file is left then, nor after an interruption.
    """
    require_pyarrow()
    _check_out(request)
    sha256 = digest_of(request.recording)
    schema = dataset_schema(request, description(request, sha256))
    labeller = Labeller(request, capture_metadata(request.recording))
    rows: Counter[str] = Counter()
    refusals: Mapping[str, int] = {}
    known = dict.fromkeys(label_columns(request), 0)
    outcomes: dict[str, int | None] = {}
    times_us: list[int] = []
    events = 0
    with _DatasetFile(request.out, schema) as file:
        for block in observe(request):
            events, refusals = block.events, block.refusals
            if block.observations:
                labels = labeller.label(block.observations)
                file.write(block.observations, labels)
                rows.update(one.ticker for one in block.observations)
                for name, values in labels.items():
                    known[name] += sum(value is not None for value in values)
                for one, outcome in zip(block.observations, labels.get("outcome_cc", ()), strict=False):
                    outcomes[one.ticker] = outcome
                times_us = [times_us[0] if times_us else block.observations[0].produced_us,
                            block.observations[-1].produced_us]  # fmt: skip
            progress(events, rows.total(), block.at_us)
        if not times_us:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in refusals.items() if count)
            raise DatasetError(
                f"{request.recording}: no market was observed in the window ({reasons or 'no book changed'}), so there "
                "is nothing to write; `truebook data info` lists which books are known and two-sided"
            )
        file.finish()
    return DatasetSummary(
        out=str(request.out), layout=request.layout.name, layout_hash=request.layout.hash, data_sha256=sha256,
        events=events, rows=rows.total(), from_us=times_us[0], to_us=times_us[1], known=known,
        markets=tuple(
            MarketRowCount(ticker=ticker, rows=count, outcome_cc=outcomes.get(ticker))
            for ticker, count in sorted(rows.items())
        ),
    )  # fmt: skip


def _check_out(request: DatasetRequest) -> None:
    """Raise ``DatasetError`` where the file would replace anything but a data set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = request.out
    if not out.parent.is_dir():
        raise DatasetError(f"{out}: there is no folder {out.parent}; make it first")
    recording = request.recording.resolve()
    if out.resolve() == recording or recording in out.resolve().parents:
        raise DatasetError(f"{out}: this would change the recording; choose a file outside of it")
    if not out.exists():
        return
    try:
        metadata = pq.read_schema(out).metadata or {}
    except (OSError, pa.ArrowException):
        metadata = {}
    if f"{PREFIX}dataset_format".encode() not in metadata:
        raise DatasetError(f"{out}: exists and is no data set, so it is not replaced; choose another name")


class _DatasetFile:
    """The file under its temporary name, until ``finish``."""

    def __init__(self, path: Path, schema: Any) -> None:
        import pyarrow.parquet as pq

        self._path = path
        self._part = path.with_name(path.name + PART)
        self._schema: pa.Schema = schema
        self._writer: pq.ParquetWriter = pq.ParquetWriter(
            self._part, schema, compression="zstd", compression_level=COMPRESSION_LEVEL
        )
        self._is_finished = False

    def __enter__(self) -> _DatasetFile:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_finished:
            import pyarrow as pa

            with suppress(OSError, pa.ArrowException):  # on a full disk the last bytes can't be written either
                self._writer.close()
            with suppress(OSError):
                self._part.unlink()

    def write(self, observations: Sequence[Observation], labels: Values) -> None:
        """Append a row group."""
        import pyarrow as pa

        vectors = stack([one.features for one in observations])
        columns: dict[str, Any] = {
            "at_us": [one.produced_us for one in observations],
            "ticker": [one.ticker for one in observations],
            "event": [one.event for one in observations],
            **{
                name: [getattr(one, name) for one in observations]
                for name in ("close_us", "best_bid_cc", "best_bid_centi", "best_ask_cc", "best_ask_centi")
            },
            **{
                field.name: vectors[:, place]
                for place, field in enumerate(one for one in self._schema if one.metadata[b"role"] == b"feature")
            },
            **labels,
        }
        arrays = [
            pa.array(columns[field.name], pa.string()).dictionary_encode()
            if pa.types.is_dictionary(field.type)
            else pa.array(columns[field.name], field.type)
            for field in self._schema
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=len(observations))

    def finish(self) -> None:
        """Complete the file under its name."""
        self._writer.close()
        descriptor = os.open(self._part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._part.replace(self._path)
        sync_folder(self._path.resolve().parent)
        self._is_finished = True
