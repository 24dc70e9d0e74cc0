"""Settings: flags > environment > file > defaults, validated as a whole; every problem is reported at once.

An environment name is ``TRUEBOOK_`` and the field's name, with ``__`` between a section and its field
(``TRUEBOOK_PAPER_EXCHANGE__SEED``). The file is ``truebook.toml`` in the working directory, or the one that
``TRUEBOOK_SETTINGS_FILE`` names; a section is a table there. Secrets are given as files only: ``…_FILE``.

SettingsError           the settings are invalid; the message lists every problem and what to do
└── SettingsRefused     at least one is refused for safety (hosts, production data with demo orders)
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

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from truebook.kalshi.hosts import HostRefused, addresses, check_hosts
from truebook.messages.envelope import Source
from truebook.runtime.renamed_settings import RENAMED

PREFIX: Final = "TRUEBOOK_"
FILE: Final = "truebook.toml"
FILE_VARIABLE: Final = "TRUEBOOK_SETTINGS_FILE"
REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})
NO_SETTINGS: Final = frozenset({FILE_VARIABLE, "TRUEBOOK_CAPTURES"})
"""Variables with our prefix that are no fields: the path of the file, and the tests' folder of recordings."""
_SOURCES: Final = "_sources"
"""Keyword by which ``load`` hands the sources below the flags to the constructor."""
SECTIONS: Final = frozenset({
    "ingest", "observation", "policy", "execution", "fill_listener",
    "paper_exchange", "reconciler", "limits", "recorder", "operator", "dashboard", "alerts",
})  # fmt: skip
"""Tables that a shared file may hold even where the process that reads it does not use them."""
PAIRS: Final = frozenset({
    (Source.SIMULATED, "simulated"), (Source.CAPTURE, "simulated"), (Source.DEMO, "simulated"),
    (Source.PRODUCTION, "simulated"), (Source.DEMO, "demo"),
})  # fmt: skip
"""Allowed pairs of market data and exchange; any other would trade on prices that the exchange does not have."""

Settings = TypeVar("Settings", bound="TruebookSettings")
HOST_NAME: Final = "{hostname}"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
InstanceName = Annotated[str, StringConstraints(pattern=r"^(\{hostname\}|[a-z0-9])(\{hostname\}|[a-z0-9-]){0,31}$")]


class SettingsError(Exception):
    """The settings are invalid; the message lists all problems."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("invalid settings:" + "".join(f"\n  - {problem}" for problem in self.problems))


class SettingsRefused(SettingsError):
    """A combination or an address is refused for safety."""


class Section(BaseModel):
    """Base of each section of the settings: immutable, without unknown fields.

    The docstrings of fields are for ``docs/reference``; pydantic does not read them, which takes 40 ms of a start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class TruebookSettings(BaseSettings):
    """The settings of every process. Subclasses add the sections of the services that they run."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True,
        nested_model_default_partial_update=True, hide_input_in_errors=True,
    )  # fmt: skip

    account: Name
    """Name of the account in the ledger's keys and the state folder; default ``sim-main``, on the demo exchange
    ``demo-main``."""
    strategy: Name = "main"
    """Name of the strategy in every message and in the ids of its orders."""
    market_data: Source = Source.SIMULATED
    """Where the market data come from; follows ``capture`` where that is given."""
    exchange: Literal["simulated", "demo"] = "simulated"
    """The exchange that orders are sent to."""
    exchange_url: str | None = None
    """Root address of an exchange that runs elsewhere, such as http://127.0.0.1:18080."""
    key_id: str | None = None
    """Id of the API key at the exchange."""
    key_file: Path | None = None
    """The private key (PEM) that belongs to ``key_id``."""
    redis_url: str | None = None
    """Address of a Redis or Valkey server for the ledger; none runs the bundled one."""
    redis_password_file: Path | None = None
    """File with the password of ``redis_url``."""
    kafka_servers: str | None = None
    """``host:port`` of Kafka brokers, separated by commas; none where everything runs in one process."""
    kafka_user: str | None = None
    """User name for SASL; none connects without authentication."""
    kafka_password_file: Path | None = None
    """File with the password of ``kafka_user``."""
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """SASL mechanism; PLAIN needs ``kafka_tls``."""
    kafka_tls: bool = False
    """Use TLS. Brokers are checked against this machine's certificate authorities; ``SSL_CERT_FILE`` names others."""
    kafka_partitions: int = Field(default=4, ge=1, le=128)
    """Partitions of each topic that is keyed by market: the maximum of processes that can share the markets."""
    kafka_replicas: int | None = Field(default=None, ge=1)
    """Replicas of each partition in new topics; none is three, or the number of brokers if that is lower."""
    kafka_session_s: float = Field(default=6.0, ge=1)
    """Session timeout of group members. Below 6 the broker's ``group.min.session.timeout.ms`` must be lowered."""
    kafka_compression: Literal["gzip", "lz4", "snappy", "zstd"] | None = None
    """Compression of published records; all but gzip need the package ``cramjam``."""
    instance: InstanceName | None = None
    """Static group member name of this process: it keeps its markets over a restart. Never share one name;
    ``{hostname}`` in it is the machine's host name, in a container the container's."""
    state_folder: Path = Path(".truebook")
    """Folder of the local state; each account has a subfolder for each kind of market data."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    log_max_bytes: int = Field(default=32 * 2**20, ge=2**16)
    """Size at which a log file is renamed to ``log.jsonl.1`` and a new one begins; four earlier files are kept."""
    http_host: str = "127.0.0.1"
    """Address on which a service serves /livez, /readyz and /metrics."""
    http_port: int = Field(default=0, ge=0, le=65_535)
    """Port for the same; 0 takes any free one."""

    @property
    def state_path(self) -> Path:
        """Return the folder of this account's local state for this kind of market data."""
        return self.state_folder / f"{self.account}-{self.market_data}"

    @property
    def models_path(self) -> Path:
        """Return the folder of the model registry, which all accounts share."""
        return self.state_folder / "models"

    def credentials(self) -> tuple[str, Path]:
        """Return the key id and the private key's file; raises ``SettingsError`` if one is missing."""
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
        """Derive defaults from other fields: the account from the exchange, the source from a recording."""
        if isinstance(given, dict):
            given.setdefault("account", "demo-main" if given.get("exchange") == "demo" else "sim-main")
            if given.get("capture") is not None:
                given.setdefault("market_data", Source.CAPTURE)
        return given

    # Field validators, no model validator: they also run when other fields are invalid, so all problems are reported.
    @field_validator("exchange")
    @classmethod
    def _check_pair(cls, exchange: str, info: ValidationInfo) -> str:
        source = info.data.get("market_data")
        if source is not None and (source, exchange) not in PAIRS:
            allowed = ", ".join(sorted(f"{data} with {where}" for data, where in PAIRS))
            raise HostRefused(
                f"market_data={source} with exchange={exchange}: orders would go to another market than the one that "
                f"the prices come from; allowed are {allowed}"
            )
        return exchange

    @field_validator("exchange_url")
    @classmethod
    def _check_hosts(cls, url: str | None, info: ValidationInfo) -> str | None:
        exchange = info.data.get("exchange")
        if url is not None and exchange is not None:
            check_hosts(*addresses(url), exchange)
        return url

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: str | None) -> str | None:
        if url is None:
            return url
        parts = urlsplit(url)
        if parts.password is not None:
            raise ValueError(f"contains a password: put it into a file and set {_variable('redis_password_file')}")
        has_target = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname) and parts.port != 0
        if parts.scheme not in REDIS_SCHEMES or not has_target:
            raise ValueError("expected redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH")
        return url

    @field_validator("kafka_servers")
    @classmethod
    def _check_kafka_servers(cls, servers: str | None) -> str | None:
        for server in () if servers is None else servers.split(","):
            parts = urlsplit(f"//{server.strip()}")
            if not parts.hostname or not parts.port or parts.netloc != server.strip() or "@" in parts.netloc:
                raise ValueError(f"{server.strip()!r}: expected HOST:PORT, with commas between several")
        return servers

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use the given values and the sources that ``load`` passes: a constructor never reads the environment."""
        assert isinstance(init_settings, InitSettingsSource)
        return (init_settings, *init_settings.init_kwargs.pop(_SOURCES, ()))


def load(cls: type[Settings], *, settings_file: Path | None = None, **flags: Any) -> Settings:
    """Read settings of that class. ``flags`` are fields (a section as a dict); those that are None are not set.

    ``settings_file`` is read instead of the file that the environment or the working directory has. Raises
    ``SettingsError`` with every problem of the flags, the environment and the file.
    """
    table, problems = _read_file(cls, settings_file)
    problems += _check_environment(cls, os.environ)
    given = _without_none(flags)
    given[_SOURCES] = (_Environment(cls), InitSettingsSource(cls, table))
    try:
        settings = cls(**given)
    except ValidationError as error:
        raise _explain(error, problems) from None
    if problems:
        raise SettingsError(problems)
    return settings


def _without_none(flags: dict[str, Any]) -> dict[str, Any]:
    set_ = {name: _without_none(value) if isinstance(value, dict) else value for name, value in flags.items()}
    return {name: value for name, value in set_.items() if value is not None and value != {}}


def read_secret(path: Path) -> str:
    """Read a secret's file, stripped; raises ``SettingsError`` if it can't be read or is empty."""
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise SettingsError([f"{path}: can't read the secret: {error.strerror}"]) from error
    if not secret:
        raise SettingsError([f"{path}: the secret's file is empty"])
    return secret


class _Environment(EnvSettingsSource):
    """The environment's values; a list may be written as JSON or with commas."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return [part.strip() for part in str(value).split(",")]  # validated by the field's type


def _read_file(cls: type[TruebookSettings], file: Path | None) -> tuple[dict[str, Any], list[str]]:
    named = file or os.environ.get(FILE_VARIABLE)
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
        f"{path}: {name}: secrets don't belong in settings; put it into a file and set {name}_file"
        for name in table
        if f"{name}_file" in cls.model_fields
    ]
    unneeded = (SECTIONS - set(cls.model_fields)) | {name for name in table if f"{name}_file" in cls.model_fields}
    return {name: value for name, value in table.items() if name not in unneeded}, problems


def _check_environment(cls: type[TruebookSettings], environment: Mapping[str, str]) -> list[str]:
    """Find secrets given as values, renamed settings and misspelt names.

    Other names with our prefix are ignored: clusters inject such variables for every service (``TRUEBOOK_X_PORT``),
    but none with ``__``, which parts a section from its field.
    """
    known = {_variable(name) for name in cls.model_fields}
    sections = {_variable(name) for name in SECTIONS}
    problems = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in NO_SETTINGS:
            continue
        if f"{name}_FILE" in known:
            problems.append(f"{name}: secrets don't belong in settings; put it into a file and set {name}_FILE")
        elif new := RENAMED.get(name.removeprefix(PREFIX).lower()):
            problems.append(f"{name}: was renamed to {_variable(new.replace('.', '__'))}")
        elif "__" in name and (section := name.partition("__")[0]) not in sections:
            close = difflib.get_close_matches(section, sections, 1)
            hint = f"did you mean {close[0]}__?" if close else f"sections are {', '.join(sorted(SECTIONS))}"
            problems.append(f"{name}: there is no section {section.removeprefix(PREFIX).lower()}; {hint}")
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
            new = RENAMED.get(".".join(where))
            text = f"was renamed to {new}" if new else "there is no such setting"
        problems.append(f"{'.'.join(where)} ({_variable('__'.join(where))}): {text}" if where else text)
    return (SettingsRefused if refused else SettingsError)(problems)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


__all__ = ["Section", "SettingsError", "SettingsRefused", "TruebookSettings", "load", "read_secret"]
