"""Settings: flags > environment > file > defaults, checked as a whole, every problem told at once.

Environment names are ``TRUEBOOK_`` and the field's name, with ``__`` between a section and its field
(``TRUEBOOK_PAPER_EXCHANGE__SEED``). The file is ``truebook.toml`` in the working directory, or the one that
``TRUEBOOK_SETTINGS_FILE`` names; a section is a table there. Secrets are never values, only files: ``…_FILE``.

SettingsError           something is wrong with the settings; the message lists every problem and what to do
└── SettingsRefused     among them one that is refused for safety (hosts, production data with demo orders)
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from truebook.kalshi.hosts import HostRefused, check_hosts
from truebook.messages.envelope import Source

PREFIX: Final = "TRUEBOOK_"
FILE: Final = "truebook.toml"
FILE_VARIABLE: Final = "TRUEBOOK_SETTINGS_FILE"
NO_SETTINGS: Final = frozenset({FILE_VARIABLE, "TRUEBOOK_CAPTURES"})
"""Variables with our prefix that others read: the reader of settings, and the tests (the folder of recordings)."""
SECTIONS: Final = frozenset({
    "ingest", "observation", "policy", "execution", "fill_listener",
    "paper_exchange", "reconciler", "recorder", "operator", "dashboard",
})  # fmt: skip
"""Tables that one shared file may hold although the process that reads it has no use for them."""
PAIRS: Final = frozenset({
    (Source.SIMULATED, "simulated"), (Source.CAPTURE, "simulated"), (Source.DEMO, "simulated"),
    (Source.PRODUCTION, "simulated"), (Source.DEMO, "demo"),
})  # fmt: skip
"""Which market data may meet which exchange; any other pair would trade on prices that the exchange does not have."""

Settings = TypeVar("Settings", bound="TruebookSettings")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class SettingsError(Exception):
    """The settings can't be used; the message lists all problems."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the settings can't be used:" + "".join(f"\n  - {problem}" for problem in self.problems))


class SettingsRefused(SettingsError):
    """A combination or an address that is refused for safety."""


class TruebookSettings(BaseSettings):
    """What every process of Truebook can be told. Subclasses add the sections of the services that they run."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True,
        nested_model_default_partial_update=True, hide_input_in_errors=True,
    )  # fmt: skip

    account: Name
    """Names the ledger's keys and the state folder; by default ``sim-main`` or ``demo-main``."""
    strategy: Name = "main"
    market_data: Source = Source.SIMULATED
    exchange: Literal["simulated", "demo"] = "simulated"
    exchange_url: str | None = None
    """Root address of an exchange that runs elsewhere, such as http://127.0.0.1:18080."""
    key_id: str | None = None
    key_file: Path | None = None
    """The private key (PEM) that belongs to ``key_id``."""
    redis_url: str | None = None
    """Address of a Redis or Valkey; null runs the bundled one."""
    redis_password_file: Path | None = None
    kafka_servers: str | None = None
    """``host:port`` of a Kafka broker, with commas between several; null where all runs in one process."""
    kafka_user: str | None = None
    kafka_password_file: Path | None = None
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the user and its password are shown to Kafka; PLAIN is for TLS only."""
    kafka_tls: bool = False
    """Brokers are checked against this machine's authorities; ``SSL_CERT_FILE`` names others."""
    kafka_partitions: int = Field(default=4, ge=1, le=128)
    """Partitions of each topic that is keyed by market: the most processes that can share the markets."""
    kafka_replicas: int | None = Field(default=None, ge=1)
    """Copies of each partition in new topics; null is three, or as many as there are brokers."""
    kafka_session_s: float = Field(default=6.0, ge=1)
    """A member of a group that has been silent for so long is dead; brokers refuse less than 6 s unless told."""
    kafka_compression: Literal["gzip", "lz4", "snappy", "zstd"] | None = None
    instance: Name | None = None
    """Names this process for good, so that it keeps its markets over a restart. One name, one process."""
    state_folder: Path = Path(".truebook")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535)
    """Port on which a service shows /livez, /readyz and /metrics; 0 takes any free one."""

    @property
    def state_path(self) -> Path:
        """The folder of this account's local state, apart for each kind of market data."""
        return self.state_folder / f"{self.account}-{self.market_data}"

    def credentials(self) -> tuple[str, Path]:
        """Answer the exchange's key id and the private key's file; raises ``SettingsError`` where one is missing."""
        missing = [
            f"{_variable(name)} is needed for the exchange at {self.exchange_url}"
            for name, value in (("key_id", self.key_id), ("key_file", self.key_file))
            if value is None
        ]
        if self.key_id is None or self.key_file is None:
            raise SettingsError(missing)
        return self.key_id, self.key_file

    def redis_password(self) -> str | None:
        return None if self.redis_password_file is None else read_secret(self.redis_password_file)

    def kafka_password(self) -> str | None:
        return None if self.kafka_password_file is None else read_secret(self.kafka_password_file)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        """Derive what follows from other fields: the account from the exchange, the source from a recording."""
        if isinstance(given, dict):
            given.setdefault("account", "demo-main" if given.get("exchange") == "demo" else "sim-main")
            if given.get("capture") is not None:
                given.setdefault("market_data", Source.CAPTURE)
        return given

    # Field validators, not one for the whole: these run also when other fields are wrong, so that all is told at once.
    @field_validator("exchange")
    @classmethod
    def _check_pair(cls, exchange: str, info: ValidationInfo) -> str:
        source = info.data.get("market_data")
        if source is not None and (source, exchange) not in PAIRS:
            allowed = ", ".join(sorted(f"{data} with {where}" for data, where in PAIRS))
            raise HostRefused(
                f"market_data={source} with exchange={exchange}: orders would meet another market than the one that "
                f"was looked at; allowed are {allowed}"
            )
        return exchange

    @field_validator("exchange_url")
    @classmethod
    def _check_hosts(cls, url: str | None, info: ValidationInfo) -> str | None:
        exchange = info.data.get("exchange")
        if url is not None and exchange is not None:
            root = url.rstrip("/").removesuffix("/trade-api/v2")
            check_hosts(f"{root}/trade-api/v2", f"ws{root.removeprefix('http')}/trade-api/ws/v2", exchange)
        return url

    @field_validator("redis_url")
    @classmethod
    def _check_no_password(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).password is not None:
            raise ValueError(f"carries a password: put it into a file and name that {_variable('redis_password_file')}")
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only ``load`` decides where values come from, so that tests depend on no environment."""
        return (init_settings,)


def load(cls: type[Settings], **flags: Any) -> Settings:
    """Read settings of that class; ``flags`` are fields (a section as a dict), those that are None are not given.

    Raises ``SettingsError`` with every problem of the flags, the environment and the file.
    """
    table, problems = _read_file(cls)
    problems += _check_environment(cls, os.environ)
    given = {name: value for name, value in flags.items() if value is not None}
    environment = _Environment(cls)()
    try:
        settings = cls(**_merge(table, environment, given))
    except ValidationError as error:
        raise _explain(error, problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def read_secret(path: Path) -> str:
    """Read a secret's file, without its line end; raises ``SettingsError`` where it can't be read or is empty."""
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SettingsError([f"{path}: can't read the secret: {error.strerror}"]) from error
    if not secret:
        raise SettingsError([f"{path}: the secret's file is empty"])
    return secret


class _Environment(EnvSettingsSource):
    """The environment's values; a list may be written as JSON or, simpler, with commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return [part.strip() for part in str(value).split(",")]  # the field's own type judges it


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay tables over each other, the later above the earlier, section by section."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            below = merged.get(name)
            merged[name] = _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged


def _read_file(cls: type[TruebookSettings]) -> tuple[dict[str, Any], list[str]]:
    named = os.environ.get(FILE_VARIABLE)
    path = Path(named or FILE)
    if not named and not path.exists():
        return {}, []
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        return {}, [f"{path}: can't be read: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{path}: not TOML: {error}"]
    problems = [
        f"{path}: {name}: secrets don't belong into settings; put it into a file and name that {name}_file"
        for name in table
        if f"{name}_file" in cls.model_fields
    ]
    unneeded = (SECTIONS - set(cls.model_fields)) | {name for name in table if f"{name}_file" in cls.model_fields}
    return {name: value for name, value in table.items() if name not in unneeded}, problems


def _check_environment(cls: type[TruebookSettings], environment: Mapping[str, str]) -> list[str]:
    """Find secrets given as values, and names that look like a slip of the pen.

    Others with our prefix are left alone: clusters inject such variables for every service (``TRUEBOOK_X_PORT``).
    """
    known = {_variable(name) for name in cls.model_fields}
    problems = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in NO_SETTINGS:
            continue
        if f"{name}_FILE" in known:
            problems.append(f"{name}: secrets don't belong into settings; put it into a file and name that {name}_FILE")
        elif "__" not in name and name not in known and (close := difflib.get_close_matches(name, known, 1, 0.9)):
            problems.append(f"{name}: there is no such setting; did you mean {close[0]}?")
    return problems


def _explain(error: ValidationError, problems: list[str]) -> SettingsError:
    refused = False
    for detail in error.errors():
        cause = detail.get("ctx", {}).get("error")
        refused = refused or isinstance(cause, HostRefused)
        where = [str(part) for part in detail["loc"]]
        text = re.sub(r"^Value error, ", "", detail["msg"])
        if detail["type"] == "extra_forbidden":
            text = "there is no such setting"
        problems.append(f"{'.'.join(where)} ({_variable('__'.join(where))}): {text}" if where else text)
    return (SettingsRefused if refused else SettingsError)(problems)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


__all__ = ["SettingsError", "SettingsRefused", "TruebookSettings", "load", "read_secret"]
