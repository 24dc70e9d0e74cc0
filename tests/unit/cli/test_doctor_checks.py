"""Each check of ``truebook doctor``: its state, detail and hint."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from truebook.clock import ManualClock
from truebook.kalshi.port import Refused, Unreachable
from truebook.kalshi.wire.rest_bodies import AccountLimits, BucketBody
from truebook.ledger.redis.durability import ServerReport
from truebook_services.cli import local_checks, remote_checks
from truebook_services.cli.check import Check, ok, problem, warning, worst
from truebook_services.embedded.settings import EmbeddedSettings

NOW_US = 1_795_000_000_000_000
SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "maxmemory": "0"}


def settings(folder: Path, **more: Any) -> EmbeddedSettings:
    return EmbeddedSettings(state_folder=folder / ".truebook", **more)


def report(**changes: Any) -> ServerReport:
    fields: dict[str, Any] = {
        "name": "Redis", "version": "8.0", "settings": SAFE, "used_memory": 10, "max_memory": 0, "last_write_ok": True,
    }  # fmt: skip
    return ServerReport(**(fields | changes))


def limits(tokens: int) -> AccountLimits:
    bucket = BucketBody(bucket_capacity=tokens, refill_rate=tokens)
    return AccountLimits(usage_tier="basic", read=bucket, write=bucket)


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 14), "ok"), ((3, 15), "warning")]
)
def test_python_is_judged_by_what_is_tested(version: tuple[int, int], state: str) -> None:
    assert local_checks.check_python(version).state == state


def test_a_missing_core_package_is_a_problem() -> None:
    found = local_checks.check_packages([
        "msgspec>=0.19", "no-such-core>=1", "no-such-plot>=2; extra == 'data'", "pytest>=1; extra == 'dev'",
        "no-such-tool; extra == 'dev'", "no-such-wheel; sys_platform == 'plan9'",
    ])  # fmt: skip
    assert [(each.name, each.state) for each in found] == [("packages", "problem"), ("extras", "ok")]
    assert "no-such-core" in found[0].detail
    assert "data" in found[1].detail and "truebook[data]" in found[1].hint


@pytest.mark.parametrize(("free", "state"), [(100 << 20, "problem"), (500 << 20, "warning"), (5 << 30, "ok")])
def test_disk_space_is_judged(tmp_path: Path, free: int, state: str) -> None:
    assert local_checks.check_disk(settings(tmp_path), free).state == state


def test_a_folder_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    selected = settings(tmp_path)
    assert local_checks.check_folder(selected).state == "ok", "the first run creates it"
    selected.state_path.mkdir(parents=True, mode=0o700)
    assert local_checks.check_folder(selected).state == "ok"
    selected.state_path.chmod(0o755)
    found = local_checks.check_folder(selected)
    assert found.state == "warning" and "chmod 700" in found.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert local_checks.check_folder(settings(tmp_path)).state == "problem"


def test_a_port_that_is_taken_is_a_problem_and_named(tmp_path: Path) -> None:
    assert [each.state for each in local_checks.check_ports(settings(tmp_path))] == ["ok"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (found,) = local_checks.check_ports(settings(tmp_path, http_port=port))
    assert found.state == "problem" and str(port) in found.detail and "TRUEBOOK_HTTP_PORT" in found.detail


def test_keys_are_needed_only_where_the_exchange_runs_elsewhere(tmp_path: Path) -> None:
    assert local_checks.check_keys(settings(tmp_path)).state == "ok"
    elsewhere = {"exchange_url": "http://127.0.0.1:1"}
    assert "TRUEBOOK_KEY_ID" in local_checks.check_keys(settings(tmp_path, **elsewhere)).detail
    key_file = tmp_path / "key.pem"
    key_file.write_text("no key")
    key_file.chmod(0o644)
    found = local_checks.check_keys(settings(tmp_path, **elsewhere, key_id="k", key_file=key_file))
    assert found.state == "problem" and "chmod 600" in found.detail


def test_a_model_of_another_layout_is_a_problem(tmp_path: Path) -> None:
    assert local_checks.check_model(settings(tmp_path)).state == "ok"
    other = local_checks.check_model(settings(tmp_path, observation={"layout": "c52"}))
    assert other.state == "problem" and "TRUEBOOK_OBSERVATION__LAYOUT=m1" in other.detail
    assert local_checks.check_model(settings(tmp_path, model="no-such-model")).state == "problem"


@pytest.mark.parametrize(
    ("offset_s", "state"), [(0.0, "ok"), (-0.9, "ok"), (1.5, "warning"), (-4.0, "warning"), (6.0, "problem")]
)
def test_a_clock_offset_is_judged_by_its_size(offset_s: float, state: str) -> None:
    assert remote_checks.judge_clock(offset_s).state == state


@pytest.mark.parametrize(("tokens", "state"), [(100, "problem"), (300, "ok"), (600, "warning")])
def test_a_tier_above_the_accounts_is_a_problem(tokens: int, state: str) -> None:
    found = remote_checks.judge_tier(limits(tokens), "advanced")
    assert found.state == state
    if state != "ok":
        assert "TRUEBOOK_EXECUTION__TIER=basic" in found.hint


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({}, "ok", "responds"),
        ({"settings": SAFE | {"appendonly": "no"}}, "problem", "appendonly"),
        ({"settings": SAFE | {"appendfsync": "everysec"}}, "problem", "appendfsync"),
        ({"settings": SAFE | {"maxmemory-policy": "allkeys-lru"}}, "problem", "maxmemory-policy"),
        ({"settings": {}}, "warning", "does not report"),
        ({"last_write_ok": False}, "problem", "last write"),
        ({"used_memory": 90, "max_memory": 100}, "warning", "memory"),
        ({"used_memory": 10, "max_memory": 100}, "ok", "responds"),
    ],
)
def test_redis_is_judged_by_what_it_could_lose(changes: dict[str, Any], state: str, word: str) -> None:
    found = remote_checks.judge_redis(report(**changes))
    assert worst(found) == state
    assert any(word in each.detail for each in found if each.state == state)


class Exchange:
    """An exchange whose clock is ahead, or that raises."""

    def __init__(self, ahead_us: int = 0, error: Exception | None = None) -> None:
        self.ahead_us = ahead_us
        self.error = error

    async def balance(self) -> object:
        if self.error is not None:
            raise self.error
        return object()

    async def exchange_time_us(self) -> int:
        return NOW_US + self.ahead_us

    async def account_limits(self) -> AccountLimits:
        return limits(100)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (Exchange(), [("exchange", "ok"), ("clock", "ok"), ("rate limit", "ok")]),
        (Exchange(ahead_us=3_000_000), [("exchange", "ok"), ("clock", "warning"), ("rate limit", "ok")]),
        (Exchange(error=Refused(401, "INCORRECT_API_KEY_SIGNATURE")), [("exchange", "problem")]),
        (Exchange(error=Unreachable("connection refused")), [("exchange", "problem")]),
    ],
)
async def test_the_exchange_is_checked_for_signature_clock_and_limits(
    exchange: Exchange, expected: list[tuple[str, str]]
) -> None:
    found = await remote_checks.query_exchange(exchange, "http://x", ManualClock(NOW_US), "basic")
    assert [(each.name, each.state) for each in found] == expected


def test_the_worst_state_is_returned() -> None:
    checks: list[Check] = [ok("a", ""), warning("b", "", "")]
    assert worst([]) == "ok"
    assert worst(checks) == "warning"
    assert worst([*checks, problem("c", "", "")]) == "problem"
