"""Each check of ``truebook doctor`` as a table: what is found, how severe it is, what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from truebook.clock import ManualClock
from truebook.kalshi.port import Refused, Unreachable
from truebook.kalshi.wire import AccountLimits, Bucket
from truebook.ledger.redis_report import ServerReport
from truebook_services.cli import checks_here, checks_there
from truebook_services.cli.findings import Finding, ok, problem, warning, worst
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
    bucket = Bucket(bucket_capacity=tokens, refill_rate=tokens)
    return AccountLimits(usage_tier="basic", read=bucket, write=bucket)


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 14), "ok"), ((3, 15), "warning")]
)
def test_python_is_judged_by_what_is_tested(version: tuple[int, int], state: str) -> None:
    assert checks_here.check_python(version).state == state


def test_a_missing_core_package_is_a_problem_and_a_missing_extra_is_named() -> None:
    found = checks_here.check_packages([
        "msgspec>=0.19", "no-such-core>=1", "no-such-plot>=2; extra == 'data'", "pytest>=1; extra == 'dev'",
        "no-such-tool; extra == 'dev'", "no-such-wheel; sys_platform == 'plan9'",
    ])  # fmt: skip
    assert [(each.check, each.state) for each in found] == [("packages", "problem"), ("extras", "ok")]
    assert "no-such-core" in found[0].about
    assert "data" in found[1].about and "truebook[data]" in found[1].what_to_do


@pytest.mark.parametrize(("free", "state"), [(100 << 20, "problem"), (500 << 20, "warning"), (5 << 30, "ok")])
def test_disk_space_is_judged(tmp_path: Path, free: int, state: str) -> None:
    assert checks_here.check_disk(settings(tmp_path), free).state == state


def test_a_folder_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    assert checks_here.check_folder(chosen).state == "ok", "one that the first run will make"
    chosen.state_path.mkdir(parents=True, mode=0o700)
    assert checks_here.check_folder(chosen).state == "ok"
    chosen.state_path.chmod(0o755)
    found = checks_here.check_folder(chosen)
    assert found.state == "warning" and "chmod 700" in found.what_to_do


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert checks_here.check_folder(settings(tmp_path)).state == "problem"


def test_a_port_that_is_taken_is_a_problem_and_named(tmp_path: Path) -> None:
    assert [each.state for each in checks_here.check_ports(settings(tmp_path))] == ["ok"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (found,) = checks_here.check_ports(settings(tmp_path, http_port=port))
    assert found.state == "problem" and str(port) in found.about and "TRUEBOOK_HTTP_PORT" in found.about


def test_keys_are_needed_only_where_the_exchange_runs_elsewhere(tmp_path: Path) -> None:
    assert checks_here.check_keys(settings(tmp_path)).state == "ok"
    elsewhere = {"exchange_url": "http://127.0.0.1:1"}
    assert "TRUEBOOK_KEY_ID" in checks_here.check_keys(settings(tmp_path, **elsewhere)).about
    key_file = tmp_path / "key.pem"
    key_file.write_text("no key")
    key_file.chmod(0o644)
    found = checks_here.check_keys(settings(tmp_path, **elsewhere, key_id="k", key_file=key_file))
    assert found.state == "problem" and "chmod 600" in found.about


def test_a_model_of_another_layout_is_a_problem(tmp_path: Path) -> None:
    assert checks_here.check_model(settings(tmp_path)).state == "ok"
    other = checks_here.check_model(settings(tmp_path, observation={"layout": "c52"}))
    assert other.state == "problem" and "TRUEBOOK_OBSERVATION__LAYOUT=m1" in other.what_to_do
    assert checks_here.check_model(settings(tmp_path, model="no-such-model")).state == "problem"


@pytest.mark.parametrize(
    ("offset_s", "state"), [(0.0, "ok"), (-0.9, "ok"), (1.5, "warning"), (-4.0, "warning"), (6.0, "problem")]
)
def test_the_clock_is_judged_by_what_signatures_bear(offset_s: float, state: str) -> None:
    assert checks_there.judge_clock(offset_s).state == state


@pytest.mark.parametrize(("tokens", "state"), [(100, "problem"), (300, "ok"), (600, "warning")])
def test_a_tier_above_the_accounts_is_a_problem(tokens: int, state: str) -> None:
    found = checks_there.judge_tier(limits(tokens), "advanced")
    assert found.state == state
    if state != "ok":
        assert "TRUEBOOK_EXECUTION__TIER=basic" in found.what_to_do


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({}, "ok", "answers"),
        ({"settings": SAFE | {"appendonly": "no"}}, "problem", "appendonly"),
        ({"settings": SAFE | {"appendfsync": "everysec"}}, "problem", "appendfsync"),
        ({"settings": SAFE | {"maxmemory-policy": "allkeys-lru"}}, "problem", "maxmemory-policy"),
        ({"settings": {}}, "warning", "not told"),
        ({"last_write_ok": False}, "problem", "last write"),
        ({"used_memory": 90, "max_memory": 100}, "warning", "memory"),
        ({"used_memory": 10, "max_memory": 100}, "ok", "answers"),
    ],
)
def test_redis_is_judged_by_what_it_would_lose(changes: dict[str, Any], state: str, word: str) -> None:
    found = checks_there.judge_redis(report(**changes))
    assert worst(found) == state
    assert any(word in each.about for each in found if each.state == state)


class Exchange:
    """An exchange that is some seconds ahead, or raises."""

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
async def test_the_exchange_is_asked_for_signature_clock_and_limits(
    exchange: Exchange, expected: list[tuple[str, str]]
) -> None:
    found = await checks_there.ask_exchange(exchange, "http://x", ManualClock(NOW_US), "basic")
    assert [(each.check, each.state) for each in found] == expected


def test_the_worst_finding_is_told() -> None:
    findings: list[Finding] = [ok("a", ""), warning("b", "", "")]
    assert worst([]) == "ok"
    assert worst(findings) == "warning"
    assert worst([*findings, problem("c", "", "")]) == "problem"
