from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from truebook.messages.envelope import Source
from truebook.runtime.renamed_settings import RENAMED
from truebook.runtime.settings import SettingsError, SettingsRefused, TruebookSettings, load, read_secret


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0)
    seed: int = 1
    tickers: tuple[str, ...] = ()


class Settings(TruebookSettings):
    speed: float = 1.0
    capture: Path | None = None
    paper_exchange: Section = Section(port=18_080)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an environment without our variables."""
    for name in os.environ:
        if name.startswith("TRUEBOOK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(**flags: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        load(Settings, **flags)
    return raised.value.problems


def test_the_defaults_are_the_simulated_system() -> None:
    settings = load(Settings)
    assert (settings.account, settings.strategy, settings.exchange) == ("sim-main", "main", "simulated")
    assert settings.market_data is Source.SIMULATED
    assert settings.state_path == Path(".truebook/sim-main-simulated")
    assert settings.paper_exchange == Section(port=18_080)


@pytest.mark.parametrize(
    ("flag", "variable", "line", "expected"),
    [
        (4.0, "3.0", "speed = 2.0", 4.0),
        (None, "3.0", "speed = 2.0", 3.0),
        (None, None, "speed = 2.0", 2.0),
        (None, None, "", 1.0),
    ],
    ids=["a flag beats all", "the environment beats the file", "the file beats the default", "the default"],
)
def test_precedence(
    flag: float | None, variable: str | None, line: str, expected: float, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "truebook.toml").write_text(line)
    if variable is not None:
        monkeypatch.setenv("TRUEBOOK_SPEED", variable)
    assert load(Settings, speed=flag).speed == expected


def test_a_section_is_merged_field_by_field(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "truebook.toml").write_text("[paper_exchange]\nseed = 5\ntickers = ['A']\n")
    monkeypatch.setenv("TRUEBOOK_PAPER_EXCHANGE__SEED", "6")
    settings = load(Settings, paper_exchange={"tickers": ("B",)})
    assert settings.paper_exchange == Section(port=18_080, seed=6, tickers=("B",))


@pytest.mark.parametrize("text", ['["A", "B"]', "A,B", " A , B"])
def test_a_list_in_the_environment_is_json_or_has_commas(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_PAPER_EXCHANGE__TICKERS", text)
    assert load(Settings).paper_exchange.tickers == ("A", "B")


def test_all_problems_are_reported_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "truebook.toml").write_text("strategy = 'Not A Name'\nkey = 'abc'\n[paper_exchange]\nport = -1\nsed = 3\n")
    monkeypatch.setenv("TRUEBOOK_SPEED", "fast")
    monkeypatch.setenv("TRUEBOOK_ACOUNT", "sim-other")
    monkeypatch.setenv("TRUEBOOK_REDIS_PASSWORD", "hunter2")
    monkeypatch.setenv("TRUEBOOK_REDIS_URL", "redis://user:hunter2@localhost:6379/0")
    with pytest.raises(SettingsError) as raised:
        load(Settings, log_level="loud")
    text = str(raised.value)
    for part in (
        "strategy (TRUEBOOK_STRATEGY)", "key: secrets don't belong", "TRUEBOOK_PAPER_EXCHANGE__PORT",
        "TRUEBOOK_PAPER_EXCHANGE__SED): there is no such setting", "TRUEBOOK_SPEED", "did you mean TRUEBOOK_ACCOUNT?",
        "TRUEBOOK_REDIS_PASSWORD: secrets", "redis_url", "TRUEBOOK_LOG_LEVEL",
    ):  # fmt: skip
        assert part in text
    assert len(raised.value.problems) == 9
    assert "hunter2" not in text


def test_an_unknown_flag_is_reported() -> None:
    assert problems(sped=2) == ("sped (TRUEBOOK_SPED): there is no such setting",)


def test_the_folder_of_the_tests_is_no_misspelt_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_CAPTURES", "/somewhere")
    assert load(Settings).capture is None


def test_variables_injected_by_a_cluster_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_REDIS_PORT", "tcp://10.0.0.1:6379")
    monkeypatch.setenv("TRUEBOOK_REDIS_SERVICE_HOST", "10.0.0.1")
    assert load(Settings).redis_url is None


def test_a_shared_file_may_hold_the_sections_of_other_services(here: Path) -> None:
    (here / "truebook.toml").write_text("speed = 2.0\n[ingest]\nmarkets = 3\n")
    assert load(Settings).speed == 2.0


@pytest.mark.parametrize("content", ["speed = ", "\xff"])
def test_a_file_that_is_no_toml_is_named(content: str, here: Path) -> None:
    (here / "truebook.toml").write_bytes(content.encode("latin-1"))
    assert problems()[0].startswith("truebook.toml: not TOML")


def test_another_file_can_be_named_and_must_exist_then(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_SETTINGS_FILE", str(here / "mine.toml"))
    assert "mine.toml: can't be read" in problems()[0]
    (here / "mine.toml").write_text("speed = 7.0")
    assert load(Settings).speed == 7.0


# Safety.


@pytest.mark.parametrize(
    ("market_data", "exchange", "allowed"),
    [
        ("simulated", "simulated", True),
        ("capture", "simulated", True),
        ("demo", "simulated", True),
        ("production", "simulated", True),
        ("demo", "demo", True),
        ("simulated", "demo", False),
        ("capture", "demo", False),
        ("production", "demo", False),
    ],
)
def test_which_market_data_may_meet_which_exchange(market_data: str, exchange: str, allowed: bool) -> None:
    if allowed:
        assert load(Settings, market_data=market_data, exchange=exchange).exchange == exchange
    else:
        with pytest.raises(SettingsRefused, match="another market"):
            load(Settings, market_data=market_data, exchange=exchange)


@pytest.mark.parametrize(
    ("url", "exchange", "allowed"),
    [
        ("http://127.0.0.1:18080", "simulated", True),
        ("http://localhost:18080/", "simulated", True),
        ("http://exchange:8080", "simulated", True),
        ("https://demo-api.kalshi.co", "demo", True),
        ("https://demo-api.kalshi.co/trade-api/v2", "demo", True),
        ("https://demo-api.kalshi.co", "simulated", False),
        ("http://127.0.0.1:18080", "demo", False),
        ("https://api.elections.kalshi.com", "demo", False),
        ("https://api.elections.kalshi.com", "simulated", False),
        ("https://demo-api.kalshi.co.evil.com", "demo", False),
        ("http://93.184.216.34", "simulated", False),
    ],
)
def test_only_paper_exchanges_can_be_addressed(url: str, exchange: str, allowed: bool) -> None:
    flags = {"exchange_url": url, "exchange": exchange, "market_data": exchange}
    if allowed:
        assert load(Settings, **flags).exchange_url == url
    else:
        with pytest.raises(SettingsRefused):
            load(Settings, **flags)


def test_no_real_money_exchange_can_be_chosen() -> None:
    assert "exchange" in problems(exchange="production")[0]


def test_a_refusal_is_reported_beside_other_problems() -> None:
    with pytest.raises(SettingsRefused) as raised:
        load(Settings, market_data="production", exchange="demo", speed="fast")
    assert len(raised.value.problems) == 2


# What follows from others.


def test_the_account_follows_the_exchange() -> None:
    assert load(Settings, market_data="demo", exchange="demo").account == "demo-main"
    assert load(Settings, market_data="demo", exchange="demo", account="demo-two").account == "demo-two"


def test_a_recording_is_its_own_source_with_its_own_state() -> None:
    settings = load(Settings, capture="recorded")
    assert settings.market_data is Source.CAPTURE
    assert settings.state_path == Path(".truebook/sim-main-capture")


def test_missing_credentials_are_named_together() -> None:
    with pytest.raises(SettingsError) as raised:
        load(Settings, exchange_url="http://127.0.0.1:1").credentials()
    assert len(raised.value.problems) == 2
    settings = load(Settings, key_id="k", key_file="k.pem")
    assert settings.credentials() == ("k", Path("k.pem"))


def test_secrets_come_from_files(here: Path) -> None:
    (here / "password").write_text("hunter2\n")
    assert load(Settings, redis_password_file="password").redis_password() == "hunter2"
    assert load(Settings).redis_password() is None
    (here / "empty").write_text("\n")
    for name in ("empty", "missing"):
        with pytest.raises(SettingsError, match=name):
            read_secret(here / name)


def test_settings_are_frozen_and_read_no_environment_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_SPEED", "9")
    settings = Settings()  # type: ignore[call-arg]
    assert settings.speed == 1.0
    with pytest.raises(ValueError, match="frozen"):
        settings.speed = 2.0  # type: ignore[misc]


# Renamed settings.


def test_an_old_name_is_refused_with_the_new_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "tempo", "speed")
    monkeypatch.setitem(RENAMED, "paper_exchange.sed", "paper_exchange.seed")
    monkeypatch.setitem(RENAMED, "paper_exchange.prt", "paper_exchange.port")
    (here / "truebook.toml").write_text("tempo = 2.0\n[paper_exchange]\nprt = 1\n")
    monkeypatch.setenv("TRUEBOOK_PAPER_EXCHANGE__SED", "6")
    assert set(problems()) == {
        "tempo (TRUEBOOK_TEMPO): was renamed to speed",
        "paper_exchange.prt (TRUEBOOK_PAPER_EXCHANGE__PRT): was renamed to paper_exchange.port",
        "paper_exchange.sed (TRUEBOOK_PAPER_EXCHANGE__SED): was renamed to paper_exchange.seed",
    }
    (here / "truebook.toml").unlink()
    monkeypatch.delenv("TRUEBOOK_PAPER_EXCHANGE__SED")
    monkeypatch.setenv("TRUEBOOK_TEMPO", "2.0")
    assert problems() == ("TRUEBOOK_TEMPO: was renamed to TRUEBOOK_SPEED",)
    monkeypatch.delenv("TRUEBOOK_TEMPO")
    assert problems(tempo=2.0) == ("tempo (TRUEBOOK_TEMPO): was renamed to speed",)
