"""Values the positions at the end of a statement by the books of now, while its day is not over."""

from __future__ import annotations

import msgspec

from truebook.ledger.valuation import Books, sale_value
from truebook.statement.records import PositionLine, Statement


def valued(statement: Statement, books: Books | None, at_us: int) -> Statement:
    """Return the statement with the value of each position whose book is known; of all, only if each is."""
    positions = tuple(_valued(position, books or {}) for position in statement.positions)
    values = [position.value_micros for position in positions]
    known = [value for value in values if value is not None]
    closing = statement.closing
    if positions and len(known) == len(values):
        closing = msgspec.structs.replace(
            closing, position_value_micros=sum(known), equity_micros=closing.owned_micros + sum(known), valued_us=at_us
        )
    return msgspec.structs.replace(statement, positions=positions, closing=closing)


def _valued(position: PositionLine, books: Books) -> PositionLine:
    book = books.get(position.ticker)
    if book is None:
        return position
    return msgspec.structs.replace(position, value_micros=sale_value(position.position_centi, *book)[0])
