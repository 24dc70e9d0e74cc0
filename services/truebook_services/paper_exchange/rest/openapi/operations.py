"""What each operation takes and returns, in the notation of ``notation``: query, body, and response."""

from __future__ import annotations

from typing import Final, NamedTuple

_PAGE: Final = "limit:1..1000 cursor:text"
_SECONDS: Final = "0..9007199254740992"
_SPAN: Final = f"min_ts:{_SECONDS} max_ts:{_SECONDS}"
_CANDLES: Final = "start_ts!:0..253402300799 end_ts!:0..253402300799 period_interval!:0..1440"
_SUBACCOUNT: Final = "subaccount:0..63"
_SHARD: Final = "exchange_index:0..100"
_OWNED: Final = f"{_PAGE} {_SUBACCOUNT}"
_NO_FIELDS: Final = "Nothing"


class Form(NamedTuple):
    """The form of one operation.

    ``response`` is a type or the fields of an object; an empty one has no body. ``query`` marks parameters that must be
    given by ``!``, and those that may be repeated by ``*``. ``body`` is a type, with ``?`` if it may be left out.
    """

    response: str = ""
    query: str = ""
    body: str | None = None
    status: int = 200


def _listing(name: str, kind: str, query: str = "", *, also: str = "") -> Form:
    return Form(f"cursor:text {name}:[{kind}]{also}", f"{_PAGE} {query}")


FORMS: Final[dict[str, Form]] = {
    # Markets, events, trades.
    "GetMarkets": _listing(
        "markets", "Market",
        f"event_ticker:text series_ticker:text tickers:text status:unopened|open|closed|settled|paused "
        f"mve_filter:only|exclude min_created_ts:{_SECONDS} max_created_ts:{_SECONDS} min_updated_ts:{_SECONDS} "
        f"max_updated_ts:{_SECONDS} min_close_ts:{_SECONDS} max_close_ts:{_SECONDS} min_settled_ts:{_SECONDS} "
        f"max_settled_ts:{_SECONDS}",
    ),
    "GetTrades": _listing("trades", "Trade", f"ticker:text is_block_trade:bool {_SPAN}"),
    "GetMarketOrderbooks": Form("orderbooks:[NamedOrderbook]", "tickers*:text"),
    "GetMarket": Form("market:Market"),
    "GetMarketOrderbook": Form("orderbook_fp:Orderbook", "depth:0..100"),
    "BatchGetMarketCandlesticks": Form(
        "markets:[MarketCandlesticks]", f"market_tickers*!:text {_CANDLES} include_latest_before_start:bool"
    ),
    "GetMarketCandlesticks": Form("Candlesticks", f"{_CANDLES} include_latest_before_start:bool"),
    "GetMarketCandlesticksByEvent": Form("EventCandlesticks", _CANDLES),
    "GetMarketCandlesticksHistorical": Form("HistoricalCandlesticks", _CANDLES),
    "GetEventForecastPercentilesHistory": Form("forecast_history:[object]", f"percentiles*!:text {_CANDLES}"),
    "GetEvents": Form(
        "cursor:text events:[Event] milestones?:[object]",
        f"limit:1..200 cursor:text with_nested_markets:bool with_milestones:bool status:unopened|open|closed|settled "
        f"series_ticker:text tickers:text min_close_ts:{_SECONDS} min_updated_ts:{_SECONDS}",
    ),
    "GetMultivariateEvents": Form(
        "cursor:text events:[Event]",
        "limit:1..200 cursor:text series_ticker:text collection_ticker:text with_nested_markets:bool",
    ),
    "GetEventFeeChanges": Form("cursor:text event_fee_changes:[object]", "event_ticker:text limit:1..1000 cursor:text"),
    "GetEvent": Form("event:Event markets?:[Market]", "with_nested_markets:bool"),
    "GetEventMetadata": Form(
        "image_url:text featured_image_url:text market_details:[MarketDetails] settlement_sources:[object]"
    ),
    "GetSeriesList": Form(
        "series:[Series]",
        f"category:text tags*:text include_product_metadata:bool include_volume:bool min_updated_ts:{_SECONDS}",
    ),
    "GetSeriesFeeChanges": Form("series_fee_change_arr:[object]", "series_ticker:text show_historical:bool"),
    "GetSeries": Form("series:Series", "include_volume:bool"),
    # Historical.
    "GetHistoricalCutoff": Form("Cutoff"),
    "GetHistoricalMarkets": _listing(
        "markets", "Market", "tickers:text event_ticker:text series_ticker:text mve_filter:only|exclude"
    ),
    "GetHistoricalMarket": Form("market:Market"),
    "GetTradesHistorical": _listing("trades", "Trade", f"ticker:text is_block_trade:bool {_SPAN}"),
    "GetFillsHistorical": _listing("fills", "Fill", f"ticker:text {_SPAN} {_SUBACCOUNT}"),
    "GetHistoricalOrders": _listing("orders", "Order", f"ticker:text {_SPAN} {_SUBACCOUNT}"),
    "GetHistoricalPositions": _listing(
        "market_positions", "MarketPosition", f"ticker:text event_ticker:text {_SUBACCOUNT}",
        also=" event_positions:[EventPosition]",
    ),
    # The exchange and the account.
    "GetExchangeStatus": Form(
        "exchange_active:bool trading_active:bool intra_exchange_transfers_active:bool "
        "exchange_index_statuses:[ShardStatus] simulated_exchange_id:text"
    ),
    "GetExchangeSchedule": Form("schedule:Schedule"),
    "GetUserDataTimestamp": Form("as_of_time:time"),
    "GetAccountEndpointCosts": Form("default_cost:int endpoint_costs:[EndpointCost]"),
    "GetAccountApiLimits": Form("AccountLimits"),
    "GetAccountApiUsageLevelVolumeProgress": Form("volume_progress:[object]"),
    "GetApiKeys": Form("api_keys:[ApiKey]", "fcm_subtrader_id:text"),
    "CreateApiKey": Form("api_key_id:uuid", body="NewApiKey", status=201),
    "GenerateApiKey": Form(
        "api_key_id:uuid key_type:rsa|ed25519 private_key:text", body="GeneratedApiKey", status=201
    ),
    "DeleteApiKey": Form(status=204),
    # Orders.
    "CreateOrderV2": Form("CreatedOrder", body="NewOrder", status=201),
    "CancelAllOrders": Form(query=_SUBACCOUNT, status=204),
    "BatchCreateOrdersV2": Form("orders:[BatchCreated]", body="BatchCreate", status=201),
    "BatchCancelOrdersV2": Form("orders:[BatchCancelled]", body="BatchCancel"),
    "CancelOrderV2": Form(
        "CancelledOrder", f"{_SUBACCOUNT} exchange_index:-1..100 market_ticker:text"
    ),
    "DecreaseOrderV2": Form("ChangedOrder", _SUBACCOUNT, body="DecreaseOrder"),
    "AmendOrderV2": Form("AmendedOrder", _SUBACCOUNT, body="AmendOrder"),
    "GetOrders": _listing(
        "orders", "Order",
        f"ticker:text event_ticker:text {_SPAN} status:resting|canceled|executed {_SUBACCOUNT} {_SHARD}",
    ),
    "GetOrder": Form("order:Order", _SUBACCOUNT),
    "GetOrderQueuePositions": Form(
        "queue_positions:[QueuePosition]", f"market_tickers:text event_ticker:text {_SUBACCOUNT}"
    ),
    "GetOrderQueuePosition": Form("queue_position_fp:count", _SUBACCOUNT),
    "GetOrderGroups": Form("order_groups:[OrderGroup]", _SUBACCOUNT),
    "CreateOrderGroup": Form(
        "order_group_id:uuid subaccount:0..63 exchange_index:int", body="NewOrderGroup", status=201
    ),
    "GetOrderGroup": Form(
        "contracts_limit_fp:count is_auto_cancel_enabled:bool exchange_index:int orders:[uuid]", _SUBACCOUNT
    ),
    **dict.fromkeys(
        ("DeleteOrderGroup", "ResetOrderGroup", "TriggerOrderGroup"), Form(_NO_FIELDS, f"{_SUBACCOUNT} {_SHARD}")
    ),
    "UpdateOrderGroupLimit": Form(_NO_FIELDS, f"{_SUBACCOUNT} {_SHARD}", body="GroupLimit"),
    # Cash, fills, positions.
    "GetBalance": Form("Balance", f"{_SUBACCOUNT} {_SHARD}"),
    "GetFills": _listing("fills", "Fill", f"ticker:text order_id:text {_SPAN} {_SUBACCOUNT} {_SHARD}"),
    "GetSettlements": _listing("settlements", "Settlement", f"ticker:text event_ticker:text {_SPAN} {_SUBACCOUNT}"),
    "GetPositions": _listing(
        "market_positions", "MarketPosition",
        f"count_filter:text settlement_status:unsettled|settled|all ticker:text event_ticker:text {_SUBACCOUNT} "
        f"{_SHARD}", also=" event_positions:[EventPosition]",
    ),
    "GetDeposits": _listing("deposits", "Transfer"),
    "GetWithdrawals": _listing("withdrawals", "Transfer"),
    "GetTotalRestingOrderValue": Form(
        "total_resting_order_value:int resting_order_value_breakdown:[ShardBalance]", _SUBACCOUNT
    ),
    "CreateSimulatedTransfer": Form(body="NewTransfer", status=204),
    "IntraExchangeInstanceTransfer": Form("transfer_id:uuid", body="NewShardTransfer"),
    "GetIntraExchangeInstanceTransfers": Form(
        "cursor?:text transfers:[ShardTransfer]", "limit:1..500 cursor:text"
    ),
    "GetIntraExchangeInstanceTransfer": Form("transfer:ShardTransfer"),
    "GetTargetBalanceAllocation": Form("allocations:[ShardShare] resting_margin_reservation:sum|max|none"),
    "UpdateTargetBalanceAllocation": Form(_NO_FIELDS, body="TargetAllocation"),
    "CreateSubaccount": Form("subaccount_number:0..63", body="NewSubaccount?", status=201),
    "GetSubaccountBalances": Form("subaccount_balances:[SubaccountBalance]", _SUBACCOUNT),
    "ApplySubaccountTransfer": Form(_NO_FIELDS, body="NewSubaccountTransfer"),
    "GetSubaccountTransfers": _listing("transfers", "SubaccountTransfer"),
    "GetSubaccountNetting": Form("netting_configs:[NettingConfig]", _SUBACCOUNT),
    "UpdateSubaccountNetting": Form(body="SwitchedNetting"),
    # Of what this exchange has none.
    "GetIncentivePrograms": Form(
        "incentive_programs:[IncentiveProgram] next_cursor:text",
        "status:all|active|upcoming|closed|paid_out type:all|liquidity|volume|margin_maker_volume|margin_taker_volume "
        "incentive_description:text limit:1..10000 cursor:text",
    ),
    "GetMilestones": Form(
        "cursor:text milestones:[object]",
        "limit:1..500 cursor:text category:text competition:text source_id:text type:text related_event_ticker:text "
        f"min_updated_ts:{_SECONDS} minimum_start_date:text",
    ),
    "GetStructuredTargets": Form(
        "cursor:text structured_targets:[object]",
        "ids:text type:text competition:text page_size:1..2000 cursor:text",
    ),
    "GetMultivariateEventCollections": Form(
        "cursor:text multivariate_contracts:[object]",
        "status:unopened|open|closed associated_event_ticker:text series_ticker:text limit:1..200 cursor:text",
    ),
    "GetLiveDatas": Form("live_datas:[object]", "milestone_ids*:text include_player_stats:bool"),
    "GetTagsForSeriesCategories": Form("tags_by_categories:{[text]}"),
    "GetFiltersForSports": Form("filters_by_sports:object sport_ordering:[text]"),
    "GetCommunicationsID": Form("communications_id:uuid"),
    "GetRFQs": Form(
        "cursor:text rfqs:[object]",
        "cursor:text event_ticker:text market_ticker:text subaccount:0..63 limit:1..100 status:text "
        "creator_user_id:text user_filter:text",
    ),
    "GetQuotes": Form(
        "cursor:text quotes:[object]",
        f"cursor:text {_SPAN} limit:1..500 status:text quote_creator_user_id:text user_filter:text "
        "rfq_user_filter:text rfq_creator_user_id:text rfq_creator_subtrader_id:text rfq_id:text",
    ),
    "GetBlockTradeProposals": Form(
        "cursor:text block_trade_proposals:[object]", "cursor:text market_ticker:text limit:1..1000 status:text"
    ),
}  # fmt: skip
"""By the operation's name. Operations that are not here only refuse: they have no form."""
