"""The structures of response bodies, in the notation of ``notation``: what this exchange sends, and nothing else."""

from __future__ import annotations

from typing import Final

_MARKET_STATUS: Final = "initialized|active|inactive|closed|determined|disputed|amended|finalized"
_ORDER: Final = (
    "order_id:uuid user_id:uuid client_order_id:text ticker:text outcome_side:yes|no book_side:bid|ask "
    "status:resting|canceled|executed yes_price_dollars:price no_price_dollars:price fill_count_fp:count "
    "remaining_count_fp:count initial_count_fp:count taker_fill_cost_dollars:price maker_fill_cost_dollars:price "
    "taker_fees_dollars:price maker_fees_dollars:price created_time:time last_update_time:time "
    "self_trade_prevention_type:taker_at_cross|maker subaccount_number:0..63 exchange_index:int side:yes|no "
    "action:buy|sell type:text cancel_order_on_pause:bool expiration_time?:time order_group_id?:uuid"
)
_CREATED: Final = (
    "order_id:uuid client_order_id:text fill_count:count remaining_count:count ts_ms:int average_fill_price?:price "
    "average_fee_paid?:price"
)

STRUCTURES: Final[dict[str, str]] = {
    "AccountLimits": "usage_tier:text read:BucketLimits write:BucketLimits grants:[object]",
    "ApiKey": "api_key_id:text name:text scopes:[text] subaccount?:0..63",
    "Balance": (
        "balance:int balance_dollars:price portfolio_value:int updated_ts:int balance_breakdown?:[ShardBalance]"
    ),
    "BatchCancelled": "order_id:text reduced_by:count ts_ms?:int error?:ErrorDetails",
    "BatchCreated": (
        "client_order_id:text order_id?:uuid fill_count?:count remaining_count?:count ts_ms?:int "
        "average_fill_price?:price average_fee_paid?:price error?:ErrorDetails"
    ),
    "BucketLimits": "bucket_capacity:int refill_rate:int",
    "Candle": (
        "end_period_ts:int yes_bid:CandleQuote yes_ask:CandleQuote price:CandlePrice volume_fp:count "
        "open_interest_fp:count"
    ),
    "CandlePrice": (
        "open_dollars?:price low_dollars?:price high_dollars?:price close_dollars?:price mean_dollars?:price "
        "previous_dollars?:price"
    ),
    "CandleQuote": "open_dollars:price low_dollars:price high_dollars:price close_dollars:price",
    "Candlesticks": "ticker:text candlesticks:[Candle]",
    "ChangedOrder": "order_id:uuid client_order_id:text remaining_count:count ts_ms:int",
    "AmendedOrder": (
        "order_id:uuid client_order_id:text remaining_count:count ts_ms:int fill_count:count "
        "average_fill_price?:price average_fee_paid?:price"
    ),
    "CancelledOrder": "order_id:uuid reduced_by:count ts_ms:int",
    "CreatedOrder": _CREATED,
    "Cutoff": (
        "market_settled_ts:time trades_created_ts:time orders_updated_ts:time market_positions_last_updated_ts:time"
    ),
    "EndpointCost": "cost:int method:text path:text",
    "ErrorDetails": "code:text message:text details?:text service?:text",
    "Event": (
        "event_ticker:text series_ticker:text title:text sub_title:text collateral_return_type:text "
        "mutually_exclusive:bool category:text strike_period:text settlement_sources:[object] last_updated_ts:time "
        "exchange_index:int markets?:[Market]"
    ),
    "EventCandlesticks": "market_tickers:[text] market_candlesticks:[[Candle]] adjusted_end_ts:int",
    "EventPosition": (
        "event_ticker:text total_cost_dollars:price total_cost_shares_fp:count event_exposure_dollars:price "
        "realized_pnl_dollars:price fees_paid_dollars:price"
    ),
    "Fill": (
        "trade_id:uuid exchange_index:int order_id:uuid market_ticker:text side:yes|no action:buy|sell "
        "outcome_side:yes|no book_side:bid|ask count_fp:count yes_price_dollars:price is_taker:bool fee_cost:price "
        "ts:int fill_id:uuid ticker:text no_price_dollars:price created_time:time subaccount_number:0..63 "
        "simulation_basis?:text"
    ),
    "FlatError": "code:text message:text details:text",
    "HistoricalCandle": (
        "end_period_ts:int yes_bid:HistoricalQuote yes_ask:HistoricalQuote price:HistoricalPrice volume:count "
        "open_interest:count"
    ),
    "HistoricalCandlesticks": "ticker:text candlesticks:[HistoricalCandle]",
    "HistoricalPrice": "open:price~ low:price~ high:price~ close:price~ mean:price~ previous:price~",
    "HistoricalQuote": "open:price low:price high:price close:price",
    "IncentiveProgram": (
        "id:uuid market_id:uuid market_ticker:text incentive_type:text incentive_description:text start_date:time "
        "end_date:time period_reward:int paid_out:bool discount_factor_bps:int target_size_fp:count"
    ),
    "Market": (
        "subtitle:text can_close_early:bool settlement_timer_seconds:int notional_value_dollars:price "
        "settlement_bounds_type?:text previous_yes_bid_dollars:price previous_yes_ask_dollars:price "
        "previous_price_dollars:price rules_primary:text rules_secondary:text ticker:text event_ticker:text "
        "exchange_index:int market_type:binary|scalar title:text yes_sub_title:text no_sub_title:text "
        "created_time:time updated_time:time open_time:time close_time:time expected_expiration_time:time "
        f"expiration_time:time latest_expiration_time:time status:{_MARKET_STATUS} yes_bid_dollars:price "
        "yes_bid_size_fp:count yes_ask_dollars:price yes_ask_size_fp:count no_bid_dollars:price no_ask_dollars:price "
        "last_price_dollars:price volume_fp:count volume_24h_fp:count result:text expiration_value:text "
        "open_interest_fp:count price_level_structure:text price_ranges:[PriceRange] liquidity_dollars?:price "
        "settlement_value_dollars?:price settlement_ts?:time strike_type?:text floor_strike?:number"
    ),
    "MarketDetails": "market_ticker:text image_url:text color_code:text",
    "MarketCandlesticks": "market_ticker:text candlesticks:[Candle]",
    "MarketPosition": (
        "ticker:text exchange_index:int total_traded_dollars:price position_fp:count market_exposure_dollars:price "
        "realized_pnl_dollars:price fees_paid_dollars:price last_updated_ts:time"
    ),
    "NamedOrderbook": "ticker:text orderbook_fp:Orderbook",
    "NestedError": "error:ErrorDetails",
    "NettingConfig": "subaccount_number:0..63 enabled:bool exchange_index:int",
    "Order": _ORDER,
    "Orderbook": "yes_dollars:[[text]] no_dollars:[[text]]",
    "Nothing": "",
    "OrderGroup": "id:uuid contracts_limit_fp:count is_auto_cancel_enabled:bool exchange_index:int",
    "ParameterError": "msg:text",
    "PriceRange": "start:price end:price step:price",
    "QueuePosition": "order_id:uuid market_ticker:text queue_position_fp:count",
    "Schedule": "standard_hours:[object] maintenance_windows:[object]",
    "Series": (
        "frequency:text category:text categories:[text] tags:[text] settlement_sources:[object] contract_url:text "
        "contract_terms_url:text additional_prohibitions:[text] ticker:text exchange_index:int last_updated_ts:time "
        "title:text fee_type:text fee_multiplier:number volume_fp?:count"
    ),
    "Settlement": (
        "ticker:text exchange_index:int event_ticker:text market_result:text yes_count_fp:count "
        "yes_total_cost_dollars:price no_count_fp:count no_total_cost_dollars:price revenue:int settled_time:time "
        "fee_cost:price value:int"
    ),
    "ShardBalance": "exchange_index:int balance:price",
    "ShardShare": "exchange_index:int percent:0..100",
    "ShardStatus": (
        "exchange_index:int description:text exchange_active:bool trading_active:bool "
        "intra_exchange_transfers_active:bool"
    ),
    "ShardTransfer": (
        "transfer_id:uuid source:event_contract|margined destination:event_contract|margined "
        "source_exchange_shard:int destination_exchange_shard:int amount:price status:pending|complete created_ts:int"
    ),
    "SubaccountBalance": "subaccount_number:0..63 exchange_index:int balance:price updated_ts:int",
    "SubaccountTransfer": (
        "transfer_id:uuid from_subaccount:0..63 to_subaccount:0..63 amount_cents:int created_ts:int exchange_index:int"
    ),
    "TooManyRequests": "error:text",
    "Trade": (
        "trade_id:uuid count_fp:count yes_price_dollars:price no_price_dollars:price taker_side:yes|no "
        "taker_outcome_side:yes|no taker_book_side:bid|ask is_block_trade:bool ticker:text created_time:time"
    ),
    "Transfer": (
        "id:text status:text type:text fee_cents:int amount_cents:int created_ts:int finalized_ts:int"
    ),
}  # fmt: skip

_NEW_ORDER: Final = (
    "ticker:text client_order_id?:text side:bid|ask count:text price:text expiration_time?:int "
    "time_in_force:fill_or_kill|good_till_canceled|immediate_or_cancel post_only?:bool "
    "self_trade_prevention_type:taker_at_cross|maker cancel_order_on_pause?:bool reduce_only?:bool "
    "subaccount?:0..63 order_group_id?:text exchange_index?:-1..100"
)
BODIES: Final[dict[str, str]] = {
    "AmendOrder": (
        "ticker:text side:bid|ask price:text count:text client_order_id?:text updated_client_order_id?:text "
        "expiration_time?:int exchange_index?:-1..100"
    ),
    "BatchCancel": "orders:[CancelItem]",
    "BatchCreate": "orders:[NewOrder]",
    "CancelItem": "order_id:text subaccount?:0..63 exchange_index?:-1..100 market_ticker?:text",
    "DecreaseOrder": "reduce_by?:text reduce_to?:text exchange_index?:-1..100 market_ticker?:text",
    "GroupLimit": "contracts_limit?:int contracts_limit_fp?:text",
    "NewApiKey": "name:text public_key:text scopes?:[text] subaccount?:0..63",
    "GeneratedApiKey": "name:text key_type?:rsa|ed25519 scopes?:[text] subaccount?:0..63",
    "NewOrder": _NEW_ORDER,
    "NewOrderGroup": "subaccount?:0..63 contracts_limit?:int contracts_limit_fp?:text exchange_index?:-1..100",
    "NewShardTransfer": (
        "source:event_contract|margined destination:event_contract|margined amount:int "
        "source_exchange_shard?:0..100 destination_exchange_shard?:0..100 source_subaccount?:0..63 "
        "destination_subaccount?:0..63 client_transfer_id?:uuid"
    ),
    "NewSubaccount": "exchange_index?:0..100",
    "NewSubaccountTransfer": (
        "client_transfer_id:uuid from_subaccount:0..63 to_subaccount:0..63 amount_cents:int exchange_index?:0..100"
    ),
    "NewTransfer": "transfer_id:text amount_dollars:text",
    "SwitchedNetting": "subaccount_number:0..63 enabled:bool",
    "TargetAllocation": "allocations:[ShardShare] resting_margin_reservation?:sum|max|none",
}  # fmt: skip
"""Those of request bodies. A field that is not named here is ignored, and reported in ``Truebook-Ignored``."""
