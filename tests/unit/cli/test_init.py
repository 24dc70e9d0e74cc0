"""``truebook init``: the file that it writes loads as chosen; where something is wrong, no file is written."""

from __future__ import annotations

import os
import pty
import subprocess
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from support.processes import TRUEBOOK, environment
from truebook.kalshi.hosts import KeyRefused
from truebook.models.errors import ModelRefused
from truebook.runtime.settings import load
from truebook.simulation.synthetic.presets import Preset
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError
from truebook_services.cli.settings_file import Choices, settings_text
from truebook_services.embedded.settings import EmbeddedSettings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("TRUEBOOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def key_file(folder: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    path = folder / "key.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    path.chmod(0o600)
    return path


def init(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", "--no-questions", *arguments])


def test_flags_become_settings(folder: Path) -> None:
    done = init(
        "--balance", "500.25", "--markets", "7", "--preset", "easy", "--model", "hold", "--order-size", "2.5",
        "--market-size", "40", "--daily-loss", "50", "--drawdown", "80.000001",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    settings = load(EmbeddedSettings)
    assert settings.paper_exchange.balance_micros == 500_250_000
    assert (settings.paper_exchange.markets, settings.paper_exchange.preset) == (7, Preset.EASY)
    assert settings.model == "hold"
    assert settings.limits.given() == {
        "order_size_centi": 250, "market_centi": 4_000, "daily_loss_micros": 50_000_000,
        "drawdown_micros": 80_000_001,
    }  # fmt: skip
    assert "$80.000001" in (folder / "truebook.toml").read_text()


def test_no_flag_gives_the_defaults() -> None:
    assert init().exit_code == 0
    assert load(EmbeddedSettings) == EmbeddedSettings()


def test_the_demo_exchange_is_written_with_its_key(key_file: Path) -> None:
    assert init("--exchange", "demo", "--key-id", "k-1", "--key-file", str(key_file), "--markets", "5").exit_code == 0
    settings = load(EmbeddedSettings)
    assert (settings.exchange, settings.account, settings.key_file) == ("demo", "demo-main", key_file)
    assert settings.ingest.universe.max_markets == 5
    assert "PRIVATE" not in Path("truebook.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("--exchange", "demo"), UsageError, "--key-id and --key-file"),
        (("--exchange", "demo", "--balance", "5"), UsageError, "the demo account has its own balance"),
        (("--key-id", "x"), UsageError, "add --exchange demo"),
        (("--exchange", "demo", "--key-id", "x", "--key-file", "none.pem"), KeyRefused, "can't read"),
        (("--model", "no-such-model"), ModelRefused, "no such model"),
        (("--model", "none.onnx"), Exception, "none.onnx"),
        (("--balance", "0"), None, "more than 0"),
        (("--daily-loss", "a lot"), None, "expected dollars"),
        (("--order-size", "1.234"), None, "expected contracts"),
    ],
)
def test_what_is_wrong_leaves_no_file(
    folder: Path, arguments: tuple[str, ...], error: type[Exception] | None, text: str
) -> None:
    done = init(*arguments)
    assert done.exit_code != 0
    assert error is None or isinstance(done.exception, error), done.exception
    assert text in f"{done.output}{done.exception}"
    assert not list(folder.glob("*truebook.toml*"))


def test_an_existing_file_is_replaced_only_on_request() -> None:
    path = Path("truebook.toml")
    path.write_text("log_level = 'debug'\n")
    done = init("--markets", "3")
    assert isinstance(done.exception, UsageError)
    assert path.read_text() == "log_level = 'debug'\n"
    assert init("--markets", "3", "--model", "no-such-model", "--force").exit_code != 0
    assert path.read_text() == "log_level = 'debug'\n"
    assert init("--markets", "3", "--force").exit_code == 0
    assert load(EmbeddedSettings).paper_exchange.markets == 3


def test_a_missing_folder_is_named(folder: Path) -> None:
    done = init("--file", "nowhere/truebook.toml")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith("nowhere is no folder")
    assert not (folder / "nowhere").exists()


def test_an_environment_that_conflicts_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_PAPER_EXCHANGE__MARKETS", "0")
    done = init()
    assert "paper_exchange.markets" in str(done.exception)
    assert not Path("truebook.toml").exists()


@given(
    st.builds(
        Choices,
        key_id=st.text(), key_file=st.none() | st.text().map(Path), exchange=st.sampled_from(["simulated", "demo"]),
        model=st.none() | st.text(), balance_micros=st.none() | st.integers(1, 10**12),
    )
)  # fmt: skip
def test_any_text_is_valid_toml(choices: Choices) -> None:
    table = tomllib.loads(settings_text(choices))
    assert table.get("model") == choices.model
    if choices.exchange == "demo":
        assert table["key_id"] == choices.key_id


@pytest.mark.long
def test_questions_repeat_until_the_input_is_valid(folder: Path) -> None:
    """On a terminal; empty input keeps the default."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*TRUEBOOK, "init", "--model", "hold"], cwd=folder, env=environment(), stdin=terminal,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    typed = ["", "easy", "much", "250", "5", "", "", "20", ""]
    os.write(screen, "".join(f"{line}\n" for line in typed).encode())
    output, _ = process.communicate(timeout=60)
    os.close(screen)
    os.close(terminal)
    assert process.returncode == 0, output
    assert "'much': expected dollars" in output
    settings = load(EmbeddedSettings)
    assert settings.paper_exchange.preset is Preset.EASY
    assert settings.paper_exchange.balance_micros == 250_000_000
    assert (settings.paper_exchange.markets, settings.model) == (5, "hold")
    assert settings.limits.given() == {"daily_loss_micros": 20_000_000}


@pytest.mark.long
def test_a_shell_completes_commands() -> None:
    done = subprocess.run(
        [*TRUEBOOK[:1], "-c", "from truebook_services.cli.__main__ import app; app(prog_name='truebook')"],
        env=environment(_TRUEBOOK_COMPLETE="complete_bash", COMP_WORDS="truebook ini", COMP_CWORD="1"),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["init"], done.stderr
