"""Who may see the page: sessions of browsers that gave the token, and the delay after a wrong one.

A session is a signed cookie, its key derived from the token: it outlives a restart of the process, and ends with its
time, by a sign-out, or when the token is replaced. Comparisons take constant time. Nothing here is logged.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from truebook.clock import MICROS

MAX_DELAY_S: Final = 60
MAX_PEERS: Final = 1_000
MAX_SIGNED_OUT: Final = 10_000


class Sessions:
    """Issues and checks the cookies; ``now_us`` is the wall clock of this process."""

    def __init__(self, token: str, session_s: float, now_us: Callable[[], int]) -> None:
        self._token = token.encode()
        self._key = hmac.digest(self._token, b"truebook dashboard session", hashlib.sha256)
        self._session_us = int(session_s * MICROS)
        self._now_us = now_us
        self._signed_out: OrderedDict[str, None] = OrderedDict()
        self.cookie = f"truebook_{hashlib.sha256(self._key).hexdigest()[:8]}"
        """Name of the cookie: browsers share cookies among all ports of a host, and each token needs its own."""
        self.max_age_s = int(session_s)

    def accepts(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token)

    def issue(self) -> str:
        """Return the value of a new session's cookie."""
        body = f"{self._now_us() + self._session_us}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._signature(body)}"

    def is_valid(self, value: str) -> bool:
        body, _, signature = value.rpartition(".")
        if not secrets.compare_digest(signature.encode(), self._signature(body).encode()):
            return False
        ends_us = int(body.partition(".")[0])  # signed: this process or an earlier one wrote it
        return self._now_us() < ends_us and value not in self._signed_out

    def sign_out(self, value: str) -> None:
        """End a session before its time; the oldest of ``MAX_SIGNED_OUT`` is dropped, which time has ended long ago."""
        if self.is_valid(value):
            self._signed_out[value] = None
            while len(self._signed_out) > MAX_SIGNED_OUT:
                self._signed_out.popitem(last=False)

    def _signature(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()


class Attempts:
    """Wrong tokens by address: after the n-th, the next attempt is checked 2^(n-1) seconds later, at most a minute."""

    def __init__(self, monotonic_us: Callable[[], int]) -> None:
        self._monotonic_us = monotonic_us
        self._peers: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def wait_s(self, peer: str) -> float:
        """Return the seconds until another token of this address is checked; 0 is now."""
        _, open_us = self._peers.get(peer, (0, 0))
        return max(0.0, (open_us - self._monotonic_us()) / MICROS)

    def failed(self, peer: str) -> float:
        """Record a wrong token and return the seconds until the next one is checked."""
        count = self._peers.pop(peer, (0, 0))[0] + 1
        delay_s = min(2 ** min(count - 1, 10), MAX_DELAY_S)
        self._peers[peer] = count, self._monotonic_us() + delay_s * MICROS
        while len(self._peers) > MAX_PEERS:
            self._peers.popitem(last=False)
        return float(delay_s)

    def succeeded(self, peer: str) -> None:
        self._peers.pop(peer, None)
