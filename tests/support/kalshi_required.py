"""The fields that the exchange's specifications (OpenAPI 3.34.0, AsyncAPI 2.0.0) require, by schema."""

from __future__ import annotations

REST: dict[str, str] = {
    "ExchangeStatus": "exchange_active trading_active",
    "Market": (
        "ticker event_ticker market_type yes_sub_title no_sub_title created_time updated_time open_time close_time "
        "latest_expiration_time settlement_timer_seconds status yes_bid_dollars yes_bid_size_fp yes_ask_dollars "
        "yes_ask_size_fp no_bid_dollars no_ask_dollars last_price_dollars volume_fp volume_24h_fp result "
        "can_close_early open_interest_fp notional_value_dollars previous_yes_bid_dollars previous_yes_ask_dollars "
        "previous_price_dollars settlement_bounds_type expiration_value rules_primary rules_secondary "
        "price_level_structure price_ranges"
    ),
    "PriceRange": "start end step",
    "OrderbookCountFp": "yes_dollars no_dollars",
    "Trade": (
        "trade_id ticker count_fp yes_price_dollars no_price_dollars taker_outcome_side taker_book_side created_time "
        "is_block_trade"
    ),
    "CreateOrderV2Response": "order_id fill_count remaining_count ts_ms",
    "CancelOrderV2Response": "order_id reduced_by ts_ms",
    "Order": (
        "order_id user_id client_order_id ticker outcome_side book_side type status yes_price_dollars no_price_dollars "
        "fill_count_fp remaining_count_fp initial_count_fp taker_fill_cost_dollars maker_fill_cost_dollars "
        "taker_fees_dollars maker_fees_dollars"
    ),
    "Fill": (
        "fill_id exchange_index trade_id order_id ticker market_ticker outcome_side book_side count_fp "
        "yes_price_dollars no_price_dollars is_taker fee_cost"
    ),
    "MarketPosition": (
        "ticker exchange_index total_traded_dollars position_fp market_exposure_dollars realized_pnl_dollars "
        "fees_paid_dollars last_updated_ts"
    ),
    "EventPosition": (
        "event_ticker total_cost_dollars total_cost_shares_fp event_exposure_dollars realized_pnl_dollars "
        "fees_paid_dollars"
    ),
    "ExchangeIndexStatus": "exchange_index description exchange_active trading_active intra_exchange_transfers_active",
    "IntraExchangeInstanceTransfer": (
        "transfer_id source destination source_exchange_shard destination_exchange_shard amount status created_ts"
    ),
    "GetPortfolioRestingOrderTotalValueResponse": "total_resting_order_value resting_order_value_breakdown",
    "GetBalanceResponse": "balance balance_dollars portfolio_value updated_ts",
    "IndexedBalance": "exchange_index balance",
    "Settlement": (
        "ticker exchange_index event_ticker market_result yes_count_fp yes_total_cost_dollars no_count_fp "
        "no_total_cost_dollars revenue settled_time fee_cost"
    ),
    "OrderGroup": "id is_auto_cancel_enabled",
    "GetOrderGroupResponse": "is_auto_cancel_enabled orders",
    "CreateOrderGroupResponse": "order_group_id subaccount",
    "GetAccountApiLimitsResponse": "usage_tier read write grants",
    "Series": (
        "ticker frequency title category categories tags settlement_sources contract_url contract_terms_url fee_type "
        "fee_multiplier additional_prohibitions"
    ),
    "MarketCandlestick": "end_period_ts yes_bid yes_ask price volume_fp open_interest_fp",
    "MarketCandlestickHistorical": "end_period_ts yes_bid yes_ask price volume open_interest",
    "GetHistoricalCutoffResponse": "market_settled_ts trades_created_ts orders_updated_ts",
    "ApiKey": "api_key_id name scopes",
    "IncentiveProgram": (
        "id market_id market_ticker incentive_type incentive_description start_date end_date period_reward paid_out"
    ),
    "GetEventMetadataResponse": "image_url market_details settlement_sources",
    "MarketMetadata": "market_ticker image_url color_code",
    "SubaccountBalance": "subaccount_number exchange_index balance updated_ts",
    "SubaccountNettingConfig": "subaccount_number enabled exchange_index",
    "EventData": (
        "event_ticker series_ticker sub_title title collateral_return_type mutually_exclusive settlement_sources"
    ),
}

STREAM: dict[str, str] = {
    "orderbook_snapshot": "market_ticker market_id clock",
    "orderbook_delta": "market_ticker market_id clock price_dollars delta_fp side",
    "ticker": (
        "market_id market_ticker price_dollars yes_bid_dollars yes_ask_dollars volume_fp open_interest_fp "
        "dollar_volume dollar_open_interest yes_bid_size_fp yes_ask_size_fp last_trade_size_fp ts ts_ms time"
    ),
    "trade": (
        "trade_id market_ticker yes_price_dollars no_price_dollars count_fp taker_side taker_outcome_side "
        "taker_book_side is_block_trade ts ts_ms"
    ),
    "fill": (
        "trade_id order_id market_ticker exchange_index is_taker side ts ts_ms yes_price_dollars count_fp fee_cost "
        "action post_position_fp purchased_side outcome_side book_side"
    ),
    "user_order": (
        "order_id user_id ticker exchange_index status side is_yes outcome_side book_side yes_price_dollars "
        "fill_count_fp remaining_count_fp initial_count_fp taker_fill_cost_dollars maker_fill_cost_dollars "
        "taker_fees_dollars maker_fees_dollars client_order_id created_time created_ts_ms"
    ),
    "market_position": (
        "user_id market_ticker position_fp position_cost_dollars realized_pnl_dollars fees_paid_dollars "
        "position_fee_cost_dollars volume_fp"
    ),
    "market_lifecycle_v2": "market_ticker event_type",
    "event_lifecycle": "event_ticker exchange_index title subtitle collateral_return_type series_ticker",
    "order_group_updates": "event_type order_group_id ts_ms",
}
SEQUENCED = {
    "orderbook_snapshot", "orderbook_delta", "trade", "market_lifecycle_v2", "event_lifecycle",
    "order_group_updates", "ok", "unsubscribed",
}  # fmt: skip

PARAMETERS: dict[str, str] = {
    "/api_keys": "fcm_subtrader_id",
    "/communications/block-trade-proposals": "cursor market_ticker limit status",
    "/communications/quotes": (
        "cursor min_ts max_ts limit status quote_creator_user_id user_filter rfq_user_filter "
        "rfq_creator_user_id rfq_creator_subtrader_id rfq_id"
    ),
    "/communications/rfqs": "cursor event_ticker market_ticker subaccount limit status creator_user_id user_filter",
    "/events": (
        "limit cursor with_nested_markets with_milestones status series_ticker tickers min_close_ts min_updated_ts"
    ),
    "/events/fee_changes": "event_ticker limit cursor",
    "/events/multivariate": "limit cursor series_ticker collection_ticker with_nested_markets",
    "/events/{event}": "with_nested_markets",
    "/historical/fills": "ticker min_ts max_ts limit cursor subaccount",
    "/historical/markets": "limit cursor tickers event_ticker series_ticker mve_filter",
    "/historical/markets/{ticker}/candlesticks": "start_ts end_ts period_interval",
    "/historical/orders": "ticker min_ts max_ts limit cursor subaccount",
    "/historical/positions": "ticker event_ticker subaccount limit cursor",
    "/historical/trades": "ticker min_ts max_ts limit cursor is_block_trade",
    "/incentive_programs": "status type incentive_description limit cursor",
    "/live_data/batch": "milestone_ids include_player_stats",
    "/live_data/events/{event}": "range",
    "/live_data/milestone/{milestone_id}": "include_player_stats",
    "/live_data/{type}/milestone/{milestone_id}": "include_player_stats",
    "/markets": (
        "limit cursor event_ticker series_ticker min_created_ts max_created_ts min_updated_ts "
        "max_updated_ts max_close_ts min_close_ts min_settled_ts max_settled_ts status tickers "
        "mve_filter"
    ),
    "/markets/candlesticks": "market_tickers start_ts end_ts period_interval include_latest_before_start",
    "/markets/orderbooks": "tickers",
    "/markets/trades": "limit cursor ticker min_ts max_ts is_block_trade",
    "/markets/{ticker}/orderbook": "depth",
    "/milestones": (
        "limit category competition source_id type related_event_ticker cursor min_updated_ts minimum_start_date"
    ),
    "/multivariate_event_collections": "status associated_event_ticker series_ticker limit cursor",
    "/portfolio/balance": "subaccount exchange_index",
    "/portfolio/deposits": "limit cursor",
    "/portfolio/fills": "ticker order_id min_ts max_ts limit cursor subaccount exchange_index",
    "/portfolio/intra_exchange_instance_transfers": "limit cursor",
    "/portfolio/order_groups": "subaccount",
    "/portfolio/order_groups/{order_group_id}": "subaccount",
    "/portfolio/orders": "ticker event_ticker min_ts max_ts status limit cursor subaccount exchange_index",
    "/portfolio/orders/queue_positions": "market_tickers event_ticker subaccount",
    "/portfolio/positions": (
        "cursor limit count_filter settlement_status ticker event_ticker subaccount exchange_index"
    ),
    "/portfolio/settlements": "limit cursor ticker event_ticker min_ts max_ts subaccount",
    "/portfolio/subaccounts/transfers": "limit cursor",
    "/portfolio/withdrawals": "limit cursor",
    "/series": "category tags include_product_metadata include_volume min_updated_ts",
    "/series/fee_changes": "series_ticker show_historical",
    "/series/{series}": "include_volume",
    "/series/{series}/events/{event}/candlesticks": "start_ts end_ts period_interval",
    "/series/{series}/events/{event}/forecast_percentile_history": "percentiles start_ts end_ts period_interval",
    "/series/{series}/markets/{ticker}/candlesticks": "start_ts end_ts period_interval include_latest_before_start",
    "/structured_targets": "ids type competition page_size cursor",
}
"""The query parameters of each GET operation, by its path."""


def lacking(table: dict[str, str], schema: str, body: dict[str, object]) -> list[str]:
    """Name the required fields that a body does not have (or has as null)."""
    return [name for name in table[schema].split() if body.get(name) is None]
