"""The markets that files beside wrapped frames describe: ``metadata/*.json`` and ``MARKETS.csv``.

A JSON file has the exchange's response for an event with its markets, ``{"response": {"event", "markets"}}``. The CSV
has one market a row; where both describe a market, the JSON counts. Neither has the series' fees: the standard fee is
assumed. Their volume is dropped: it is that after the recording, which is not known at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from truebook.capture.importers.source import BytesRead
from truebook.capture.importers.tables import Row, convert, read_rows, value_of
from truebook.capture.importers.values import optional_number
from truebook.capture.manifest import CaptureError
from truebook.decoding import UNREADABLE
from truebook.kalshi.wire import rest_bodies, times, translate
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, PriceRange
from truebook.money import WireFormatError
from truebook.venue.assumed_market import assumed_metadata

MARKETS_CSV: Final = "MARKETS.csv"
METADATA: Final = "metadata"
SEARCHED_PARENTS: Final = 3
_GRIDS: Final = {"linear_cent": LINEAR_CENT, "deci_cent": (PriceRange(0, 10_000, 10),)}


class _EventWithMarkets(msgspec.Struct):
    event: rest_bodies.EventBody
    markets: list[rest_bodies.MarketBody]


class _MetadataFile(msgspec.Struct):
    response: _EventWithMarkets


def listed_markets(path: Path) -> tuple[Mapping[str, MarketMetadata], bool]:
    """Return the markets described beside the data at ``path`` or above it, and whether anything describes them."""
    start = path if path.is_dir() else path.parent
    for folder in (start, *start.absolute().parents[:SEARCHED_PARENTS]):
        table, details = folder / MARKETS_CSV, folder / METADATA
        if table.is_file() or details.is_dir():
            found = {one.ticker: one for one in _from_csv(table)} if table.is_file() else {}
            found |= {one.ticker: one for one in _from_json(details)}
            return found, True
    return {}, False


def _from_json(folder: Path) -> Iterator[MarketMetadata]:
    for path in sorted(folder.glob("*.json")):
        try:
            response = msgspec.json.decode(path.read_bytes(), type=_MetadataFile).response
            for market in response.markets:
                yield _at_start(translate.market_metadata(market, response.event, None))
        except (*UNREADABLE, WireFormatError) as error:
            raise CaptureError(f"{path}: not an event with its markets: {error}; restore or remove it") from error


def _from_csv(path: Path) -> Iterator[MarketMetadata]:
    for place, row in read_rows(path, BytesRead()):
        yield convert(path, place, row, _market)


def _market(row: Row) -> MarketMetadata:
    ticker = value_of(row, "window", "ticker", "market_ticker")
    grid = _GRIDS.get(row.get("price_level_structure", ""))
    known = ("event", "status", "open_us", "close_us", *(("price_ranges",) if grid else ()))
    open_us, close_us = (times.from_rfc3339(value_of(row, name), name) for name in ("open_time", "close_time"))
    assumed = assumed_metadata(ticker, open_us, close_us, grid or LINEAR_CENT)
    return msgspec.structs.replace(
        assumed, event=value_of(row, "event_ticker"), status=translate.market_status(row.get("status", "")),
        settlement_cc=translate.settlement_cc(row.get("settlement_value_dollars"), row.get("result", "")),
        strike=optional_number(row.get("floor_strike"), "floor_strike"),
        assumed=tuple(name for name in assumed.assumed if name not in known),
    )  # fmt: skip


def _at_start(market: MarketMetadata) -> MarketMetadata:
    """Assume the standard fee, and drop the volume."""
    fee_type = FeeType.QUADRATIC if market.fee_type is FeeType.UNKNOWN else market.fee_type
    return msgspec.structs.replace(market, fee_type=fee_type, volume_centi=0)
