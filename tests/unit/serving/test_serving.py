"""Settings that a service process requires, what it refuses, and how it exits."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError
from structlog.testing import capture_logs

from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import BusUnavailable, TopicMismatch
from truebook.clock import ExchangeClock, SystemClock
from truebook.kalshi.hosts import HostRefused
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis.durability import LedgerNotDurable, check_durable
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.frames import Periodic, Service
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import SettingsError, SettingsRefused
from truebook_services.cli.exit_codes import EXIT_CODES
from truebook_services.cli.exit_codes import exit_with_one_line as command_exit
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.exit_codes import exit_code, exit_with_one_line
from truebook_services.serving.serve import ServiceRunner
from truebook_services.serving.settings import ServeSettings, exchange_address, kafka_connection, redis_address

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def test_each_missing_address_is_named() -> None:
    settings = ServeSettings()
    for read, name in (
        (kafka_connection, "TRUEBOOK_KAFKA_SERVERS"),
        (redis_address, "TRUEBOOK_REDIS_URL"),
        (exchange_address, "TRUEBOOK_EXCHANGE_URL"),
    ):
        with pytest.raises(SettingsError, match=name):
            read(settings)


def test_a_kafka_user_needs_a_file_with_its_password(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TRUEBOOK_KAFKA_PASSWORD_FILE"):
        kafka_connection(ServeSettings(kafka_servers="a:1", kafka_user="u"))
    secret = tmp_path / "secret"
    secret.write_text("p\n")
    assert (
        kafka_connection(ServeSettings(kafka_servers="a:1", kafka_user="u", kafka_password_file=secret)).password == "p"
    )


def test_a_kafka_password_is_never_sent_in_clear_text(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("p\n")
    plain = ServeSettings(kafka_servers="a:1", kafka_user="u", kafka_password_file=secret, kafka_mechanism="PLAIN")
    with pytest.raises(SettingsError, match="TRUEBOOK_KAFKA_TLS"):
        kafka_connection(plain)
    over_tls = kafka_connection(plain.model_copy(update={"kafka_tls": True})).options()
    assert (over_tls["security_protocol"], over_tls["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")


def test_a_service_with_one_active_process_has_its_own_name_in_kafka() -> None:
    settings = ServeSettings(kafka_servers="a:1", instance="pod-7")
    assert kafka_connection(settings).instance == "pod-7"
    assert kafka_connection(settings, instance="execution").instance == "execution"


def test_replicas_with_one_setting_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ServeSettings(kafka_servers="a:1", instance="policy-{hostname}")
    names = set()
    for host in ("5f2c", "77aa"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        names.add(kafka_connection(settings).instance)
    assert names == {"policy-5f2c", "policy-77aa"}
    with pytest.raises(ValidationError):
        ServeSettings(instance="policy-{host}")


@pytest.mark.parametrize(
    ("reported", "problem"),
    [
        (SAFE, None),
        ({**SAFE, "appendonly": "no"}, "appendonly is no"),
        ({**SAFE, "appendfsync": "everysec"}, "appendfsync is everysec"),
        ({**SAFE, "maxmemory-policy": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
    ],
)
def test_a_ledger_server_that_may_lose_writes_is_refused(reported: dict[str, str], problem: str | None) -> None:
    if problem is None:
        check_durable(reported, structlog.get_logger())
    else:
        with pytest.raises(LedgerNotDurable, match=problem):
            check_durable(reported, structlog.get_logger())


def test_a_ledger_server_with_hidden_settings_is_only_warned_about() -> None:
    with capture_logs() as logs:
        check_durable({}, structlog.get_logger())
    assert logs[0]["hidden"] == sorted(SAFE)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["x"]), 2),
        (SettingsRefused(["x"]), 4),
        (HostRefused("x"), 4),
        (LedgerNotDurable("x"), 4),
        (StoreUnavailable("x"), 3),
        (BusUnavailable("x"), 3),
        (TopicMismatch("x"), 3),
        (ExceptionGroup("both", [ExceptionGroup("inner", [TopicMismatch("x")]), StoreUnavailable("y")]), 3),
        (ExceptionGroup("with a bug", [TopicMismatch("x"), KeyError("y")]), None),
        (OSError(errno.ENOSPC, "No space left on device"), 3),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 3),
        (OSError(errno.EPIPE, "Broken pipe"), None),
        (KeyError("x"), None),
    ],
)
def test_expected_errors_have_exit_codes_and_bugs_have_none(error: Exception, code: int | None) -> None:
    assert exit_code(error) == code
    assert exit_code(error, EXIT_CODES) == code


def test_an_expected_error_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for ends in (exit_with_one_line, command_exit):
        with pytest.raises(SystemExit) as ended, ends():
            raise TopicMismatch("orders is missing")
        assert ended.value.code == 3
        assert capsys.readouterr().err == "truebook: orders is missing\n"


def test_a_full_disk_ends_in_one_line_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), exit_with_one_line():
        raise ExceptionGroup("tasks", [OSError(errno.ENOSPC, "No space left on device")])
    assert capsys.readouterr().err == "truebook: [Errno 28] No space left on device; free disk space, and start again\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), exit_with_one_line():
        raise KeyError("x")


def runner_of(root: object) -> ServiceRunner[ServeSettings]:
    clock = ExchangeClock(SystemClock())
    context = Context(
        service="test", account="sim-main", strategy="main", source=Source.SIMULATED, clock=clock, bus=MemoryBus(),
        metrics=Metrics("test"), log=structlog.get_logger(),
    )  # fmt: skip
    return ServiceRunner(ServeSettings(), context, clock, root)  # type: ignore[arg-type]


async def nothing() -> None: ...


async def test_not_ready_reports_what_the_process_waits_for() -> None:
    may_open, stop = asyncio.Event(), asyncio.Event()

    async def root(dependencies: Dependencies[ServeSettings]) -> Service:
        dependencies._report("waiting for the clock")
        await may_open.wait()
        return Service(dependencies.context, [Periodic(dependencies.context, "work", 60, nothing)])

    runner = runner_of(root)
    assert runner.not_ready() == "starting"
    running = asyncio.create_task(runner.run(stop))
    async with asyncio.timeout(60):
        while runner.not_ready() != "waiting for the clock":
            await asyncio.sleep(0)
        may_open.set()
        while runner.not_ready() is not None:
            await asyncio.sleep(0)
        stop.set()
        await running
    assert runner.not_ready() == "stopping"


async def test_a_process_that_still_waits_stops_at_once() -> None:
    stop = asyncio.Event()

    async def root(dependencies: Dependencies[ServeSettings]) -> Service:
        await asyncio.Event().wait()
        raise AssertionError("never")

    running = asyncio.create_task(runner_of(root).run(stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(60):
        await running


async def test_a_dependency_that_cannot_be_opened_ends_the_process() -> None:
    async def root(dependencies: Dependencies[ServeSettings]) -> Service:
        raise TopicMismatch("orders is missing")

    with pytest.raises(TopicMismatch):
        await runner_of(root).run(asyncio.Event())
