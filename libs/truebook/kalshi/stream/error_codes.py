"""Error codes of the exchange's WebSocket. Source: Kalshi's AsyncAPI document, ``x-error-codes``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class StreamErrorCode(IntEnum):
    """The codes that Truebook's stream commands can get; the simulated exchange sends all of them but 10."""

    UNREADABLE_MESSAGE = 1
    PARAMS_REQUIRED = 2
    CHANNELS_REQUIRED = 3
    SIDS_REQUIRED = 4
    UNKNOWN_COMMAND = 5
    UNKNOWN_SID = 7
    UNKNOWN_CHANNEL = 8
    CHANNEL_ERROR = 10
    INVALID_PARAMETER = 11
    ONE_SID_REQUIRED = 12
    UNSUPPORTED_ACTION = 13
    TICKER_REQUIRED = 14
    ACTION_REQUIRED = 15
    BUFFER_OVERFLOW = 25
    MARKET_LIMIT = 26


ENDS_SUBSCRIPTION: Final = frozenset({StreamErrorCode.CHANNEL_ERROR, StreamErrorCode.BUFFER_OVERFLOW})
"""After these the subscription has ended: the client has to subscribe again."""

ERROR_TEXTS: Final[dict[StreamErrorCode, str]] = {
    StreamErrorCode.UNREADABLE_MESSAGE: "Unable to process message",
    StreamErrorCode.PARAMS_REQUIRED: "Params required",
    StreamErrorCode.CHANNELS_REQUIRED: "Channels required",
    StreamErrorCode.SIDS_REQUIRED: "Subscription IDs required",
    StreamErrorCode.UNKNOWN_COMMAND: "Unknown command",
    StreamErrorCode.UNKNOWN_SID: "Unknown subscription ID",
    StreamErrorCode.UNKNOWN_CHANNEL: "Unknown channel name",
    StreamErrorCode.CHANNEL_ERROR: "Channel error",
    StreamErrorCode.INVALID_PARAMETER: "Invalid parameter",
    StreamErrorCode.ONE_SID_REQUIRED: "Exactly one subscription ID is required",
    StreamErrorCode.UNSUPPORTED_ACTION: "Unsupported action",
    StreamErrorCode.TICKER_REQUIRED: "Market Ticker required",
    StreamErrorCode.ACTION_REQUIRED: "Action required",
    StreamErrorCode.BUFFER_OVERFLOW: "Subscription buffer overflow",
    StreamErrorCode.MARKET_LIMIT: "Subscription market limit exceeded",
}
