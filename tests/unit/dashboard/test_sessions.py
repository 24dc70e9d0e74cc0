from __future__ import annotations

import pytest

from support.manual_time import Now
from truebook.clock import MICROS
from truebook_services.dashboard.sessions import MAX_DELAY_S, MAX_PEERS, Attempts, Sessions

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def now() -> Now:
    return Now(1_000_000 * MICROS)


def test_only_the_whole_token_is_accepted(now: Now) -> None:
    sessions = Sessions(TOKEN, 60, now)
    assert sessions.accepts(TOKEN)
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü"):
        assert not sessions.accepts(wrong)


def test_session_ends_with_its_time(now: Now) -> None:
    sessions = Sessions(TOKEN, 60, now)
    value = sessions.issue()
    now.pass_s(59)
    assert sessions.is_valid(value)
    now.pass_s(1)
    assert not sessions.is_valid(value)


def test_session_outlives_a_restart_but_not_a_new_token(now: Now) -> None:
    value = Sessions(TOKEN, 60, now).issue()
    assert Sessions(TOKEN, 60, now).is_valid(value)
    assert not Sessions(TOKEN + "-new", 60, now).is_valid(value)


def test_changed_cookie_is_refused(now: Now) -> None:
    sessions = Sessions(TOKEN, 60, now)
    ends, nonce, signature = sessions.issue().split(".")
    later = str(int(ends) + 60 * MICROS)
    for value in ("", ".", "..", f"{later}.{nonce}.{signature}", f"{ends}.{nonce}.", f"{ends}.{nonce}.é", nonce):
        assert not sessions.is_valid(value)


def test_signed_out_session_is_refused(now: Now) -> None:
    sessions = Sessions(TOKEN, 60, now)
    value, other = sessions.issue(), sessions.issue()
    sessions.sign_out(value)
    assert not sessions.is_valid(value)
    assert sessions.is_valid(other)


def test_cookie_and_its_name_do_not_contain_the_token(now: Now) -> None:
    sessions = Sessions(TOKEN, 60, now)
    assert TOKEN not in sessions.issue() + sessions.cookie


def test_each_wrong_token_doubles_the_delay(now: Now) -> None:
    attempts = Attempts(now)
    assert attempts.wait_s("a") == 0
    delays = [attempts.failed("a") for _ in range(8)]
    assert delays == [1, 2, 4, 8, 16, 32, MAX_DELAY_S, MAX_DELAY_S]
    assert attempts.wait_s("b") == 0
    now.pass_s(MAX_DELAY_S - 1)
    assert attempts.wait_s("a") == 1
    attempts.succeeded("a")
    assert attempts.wait_s("a") == 0


def test_number_of_remembered_addresses_is_bounded(now: Now) -> None:
    attempts = Attempts(now)
    for number in range(MAX_PEERS + 1):
        attempts.failed(str(number))
    assert attempts.wait_s("0") == 0
    assert attempts.wait_s(str(MAX_PEERS)) == 1
