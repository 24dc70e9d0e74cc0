"""Ids, created before the effect so that every effect can be repeated without harm.

``digest`` is blake2b with 128 bits over the UTF-8 of a compact JSON array: the array distinguishes ('ab', 'c') from
('a', 'bc'). The model is not part of an action's id: after a switch of models one observation gives no second order.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

CLIENT_ORDER_PREFIX: Final = "tb1-"
"""An order of the account with another prefix is foreign: Truebook did not send it."""


def digest(*parts: str | int) -> str:
    """Hash the parts to 32 hexadecimal digits; equal on every machine."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def observation_id(
    ticker: str, book_epoch: int, book_version: int, layout: str, ledger_seq: int, signals_digest: str
) -> str:
    return digest(ticker, book_epoch, book_version, layout, ledger_seq, signals_digest)


def action_id(account: str, strategy: str, of_observation: str) -> str:
    return digest(account, strategy, of_observation)


def client_order_id(ledger_id: str, of_action: str, book_side: str) -> str:
    """Return the id of the order of one side of an action; a ledger begun again on the same exchange repeats none."""
    return CLIENT_ORDER_PREFIX + digest(ledger_id, of_action, book_side)


def is_ours(client_id: str | None) -> bool:
    """Return whether Truebook sent an order of the account."""
    return client_id is not None and client_id.startswith(CLIENT_ORDER_PREFIX)
