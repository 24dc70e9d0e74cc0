"""A user's mistakes, by the command's own entry point: one line, the documented exit code, and never a traceback."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from support.processes import environment
from truebook.runtime.health import serve_health
from truebook.runtime.loop import run_until_done
from truebook_services.cli.__main__ import main
from truebook_services.operator.run_files import BOOKS, SUMMARY

Cli = Callable[..., tuple[int, str, str]]
KEY = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Run the command in this process and an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)

    def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in [each for each in os.environ if each.startswith("TRUEBOOK_")]:
                patch.delenv(name)
            for name, value in environment(**settings).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["truebook", *arguments])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
            output = capsys.readouterr()
        code = ended.value.code
        assert "Traceback" not in output.err
        return (code if isinstance(code, int) else 0), output.out, output.err

    yield run
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


@pytest.mark.parametrize("folder", ["file", "file/inside", "/proc/truebook"])
@pytest.mark.parametrize("command", [("run", "--for", "1s"), ("exchange", "--port", "0"), ("doctor",)])
def test_a_state_folder_that_can_not_be_made_is_named(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], folder: str
) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = cli(*command, TRUEBOOK_STATE_FOLDER=folder)
    assert code == 3, out + err
    assert folder in out + err
    assert len(err.splitlines()) <= 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("command", [("run", "--for", "1s"), ("exchange", "--port", "0"), ("doctor",)])
def test_a_read_only_state_folder_is_named(cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    code, out, err = cli(*command, TRUEBOOK_STATE_FOLDER="state")
    assert code == 3, out + err
    assert "state" in out + err


def test_a_recording_into_a_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    key = tmp_path / "key.pem"
    key.write_text(KEY)
    key.chmod(0o600)
    for out in ("file", "file/inside"):
        code, _, err = cli(
            "record", "--out", out, "--for", "1s", TRUEBOOK_KEY_ID="id", TRUEBOOK_KEY_FILE=str(key),
            TRUEBOOK_EXCHANGE_URL="http://127.0.0.1:1",
        )  # fmt: skip
        assert code == 2, err
        assert out in err


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("EXCHANGE_URL", "http://["),
        ("EXCHANGE_URL", "http://exchange:8x"),
        ("EXCHANGE_URL", "exchange"),
        ("REDIS_URL", "redis://["),
        ("REDIS_URL", "redis://redis:99999"),
        ("REDIS_URL", "http://redis:6379"),
        ("REDIS_URL", "redis"),
        ("KAFKA_SERVERS", "["),
        ("KAFKA_SERVERS", "kafka"),
        ("KAFKA_SERVERS", "kafka:9092,kafka:99999"),
    ],
)
@pytest.mark.parametrize("command", [("run", "--for", "1s"), ("status",), ("doctor",)])
def test_a_malformed_address_is_named(cli: Cli, command: tuple[str, ...], name: str, address: str) -> None:
    code, out, err = cli(*command, **{f"TRUEBOOK_{name}": address})
    assert code in (2, 4), out + err
    assert f"TRUEBOOK_{name}" in out + err


@pytest.mark.parametrize("key_id", ["a\nb", "a\x01b", "schlüssel"])
def test_a_key_id_that_no_header_can_carry_is_refused(cli: Cli, tmp_path: Path, key_id: str) -> None:
    key = tmp_path / "key.pem"
    key.write_text(KEY)
    key.chmod(0o600)
    named = {"TRUEBOOK_EXCHANGE_URL": "http://127.0.0.1:1", "TRUEBOOK_KEY_FILE": str(key), "TRUEBOOK_KEY_ID": key_id}
    code, _, err = cli("run", "--for", "1s", **named)
    assert code == 4, err
    assert "key id" in err
    code, out, _ = cli("doctor", **named)
    assert code == 3
    assert "key id" in out


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("TRUEBOOK_OBSERVATON__THROTTLE_MS", "did you mean TRUEBOOK_OBSERVATION__"),
        ("TRUEBOOK_FOO__BAR", "no section foo"),
        ("TRUEBOOK_OBSERVATION__THROTLE_MS", "there is no such setting"),
    ],
)
def test_a_misspelt_section_of_the_environment_is_named(cli: Cli, variable: str, named: str) -> None:
    code, out, _ = cli("doctor", **{variable: "3"})
    assert code == 2
    assert variable in out and named in out


def test_a_speed_without_a_recording_is_refused(cli: Cli) -> None:
    for command in ("run", "exchange"):
        code, _, err = cli(command, "--speed", "20")
        assert code == 2, err
        assert "--capture" in err


@pytest.mark.parametrize("source", ["production", "demo", "capture"])
def test_market_data_without_a_source_is_refused(cli: Cli, source: str) -> None:
    code, _, err = cli("run", "--for", "1s", TRUEBOOK_MARKET_DATA=source)
    assert code == 2, err
    assert f"TRUEBOOK_MARKET_DATA={source}" in err


def test_a_recording_never_empties_the_ledger_of_other_data(cli: Cli, tmp_path: Path) -> None:
    kept = tmp_path / ".truebook/sim-main-simulated/ledger/kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("")
    code, _, err = cli("run", "--capture", "nowhere", TRUEBOOK_MARKET_DATA="simulated")
    assert code == 2, err
    assert "TRUEBOOK_MARKET_DATA=simulated" in err
    assert kept.exists()


@pytest.mark.slow
def test_damaged_files_of_the_last_run_are_no_traceback(cli: Cli, tmp_path: Path) -> None:
    assert cli("run", "--for", "1s", "--markets", "1", "--plain")[0] == 0
    folder = tmp_path / ".truebook/sim-main-simulated"
    for content in (b'{"seconds":1', b"\xff\xfe", b"[]"):
        (folder / SUMMARY).write_bytes(content)
        (folder / BOOKS).write_bytes(content)
        (folder / "why.json").write_bytes(content)
        code, out, err = cli("status", "--json")
        assert (code, json.loads(out)["alive"]) == (0, False), err
        assert cli("positions", "--json")[0] == cli("pnl", "--json")[0] == 0
        code, _, err = cli("why")
        assert (code, "no evidence" in err) == (2, True)


def test_a_service_finds_its_own_port_in_use(cli: Cli, tmp_path: Path) -> None:
    """In a container ``doctor`` runs beside the service whose settings it reads."""

    async def doctor_beside_a_service() -> tuple[int, str, str]:
        async with serve_health([]) as port:
            return await asyncio.to_thread(cli, "doctor", "--json", TRUEBOOK_HTTP_PORT=str(port))

    code, out, err = run_until_done(doctor_beside_a_service())
    assert code == 0, out + err
    [ports] = [each for each in json.loads(out)["checks"] if each["name"] == "ports"]
    assert "a service of Truebook" in ports["detail"]
