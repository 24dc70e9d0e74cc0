"""Ids that are made before the effect, so that every effect can be repeated without harm.

``H`` is blake2b with 128 bits over the UTF-8 of a compact JSON array: the array keeps ('ab', 'c') and ('a', 'bc')
apart. The model is not part of an action's id: switching models never orders twice for one observation.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

CLIENT_ORDER_PREFIX: Final = "tb1-"
"""Orders of the account whose client order id starts otherwise are foreign: not sent by Truebook."""


def digest(*parts: str | int) -> str:
    """Hash the parts to 32 hexadecimal digits; equal parts in equal order give equal digests on every machine."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def observation_id(
    ticker: str, book_epoch: int, book_version: int, layout: str, ledger_seq: int, signals_digest: str
) -> str:
    return digest(ticker, book_epoch, book_version, layout, ledger_seq, signals_digest)


def action_id(account: str, strategy: str, of_observation: str) -> str:
    return digest(account, strategy, of_observation)


def client_order_id(of_action: str, book_side: str) -> str:
    return CLIENT_ORDER_PREFIX + digest(of_action, book_side)


def is_ours(client_id: str | None) -> bool:
    """Tell whether an order of the account was sent by Truebook."""
    return client_id is not None and client_id.startswith(CLIENT_ORDER_PREFIX)
