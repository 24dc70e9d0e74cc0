"""The checks of ``truebook doctor`` on this machine: Python, packages, folder, disk, ports, keys, model."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

import httpx

from truebook.features.layout import UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.kalshi.hosts import KeyRefused
from truebook.kalshi.signing import load_signer
from truebook.ledger.redis.bundled import BundledServerError, find_program
from truebook.models.errors import ModelRefused
from truebook.models.registry import ModelRegistry
from truebook.runtime.settings import SettingsError
from truebook.runtime.state_folder import owner_of
from truebook_services.cli.check import Check, ok, problem, warning
from truebook_services.embedded.settings import EmbeddedSettings

SUPPORTED: Final = ((3, 11), (3, 14))
GIBIBYTE: Final = 1 << 30
LOW_DISK_BYTES: Final = GIBIBYTE
MIN_DISK_BYTES: Final = GIBIBYTE // 5
HTTP_PORT: Final = "TRUEBOOK_HTTP_PORT"
DEVELOPERS: Final = "dev"
"""The extra that users do not need."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def check_python(version: tuple[int, int] | None = None) -> Check:
    """Check that Truebook is tested with this version of Python."""
    oldest, newest = SUPPORTED
    here = version or sys.version_info[:2]
    detail = f"Python {here[0]}.{here[1]}"
    if here < oldest:
        hint = f"use Python {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
        return problem("python", f"{detail} is too old", hint)
    if here > newest:
        return warning("python", f"{detail} is newer than the tested versions", f"use up to {newest[0]}.{newest[1]}")
    return ok("python", detail)


def check_packages(requirements: list[str] | None = None) -> list[Check]:
    """Check that the core's packages are installed; names the extras that are not."""
    needed = requirements if requirements is not None else metadata.requires("truebook") or []
    missing: dict[str, list[str]] = {}
    for requirement in needed:
        name, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if name is None or name[0].lower() == "truebook" or (extra is None and ";" in requirement):
            continue  # packages for some systems only
        if not _is_installed(name[0]):
            missing.setdefault(extra[1] if extra else "", []).append(name[0])
    core = missing.pop("", [])
    missing.pop(DEVELOPERS, None)
    found = [
        problem("packages", f"missing: {', '.join(core)}", "reinstall: pip install --force-reinstall truebook")
        if core
        else ok("packages", "all core packages are installed")
    ]
    for extra_name, names in sorted(missing.items()):
        hint = f"if needed: pip install 'truebook[{extra_name}]'"
        found.append(ok("extras", f"{extra_name} is not installed (missing: {', '.join(names)})", hint))
    return found


def check_folder(settings: EmbeddedSettings) -> Check:
    """Check that the state folder is writable, private, and which process uses it."""
    path = settings.state_path
    nearest = _nearest(path)
    if not nearest.is_dir():
        return problem("state folder", f"{nearest} is not a folder", "remove it, or set TRUEBOOK_STATE_FOLDER")
    is_writable = os.access(nearest, os.W_OK | os.X_OK) and not os.statvfs(nearest).f_flag & os.ST_RDONLY
    if settings.kafka_servers is not None and not is_writable:
        return ok("state folder", f"{nearest} can't be written, and services over Kafka keep nothing there")
    if not is_writable:
        return problem("state folder", f"{nearest} can't be written", "change its owner, or set TRUEBOOK_STATE_FOLDER")
    owner = owner_of(path)
    if owner is not None and _is_alive(owner.pid):
        return ok("state folder", f"{path}, in use by process {owner.pid}")
    if path.exists() and path.stat().st_mode & 0o077:
        return warning("state folder", f"{path} can be read by others", f"run: chmod 700 {path}")
    return ok("state folder", str(path) if path.exists() else f"{path} will be created by the first run")


def check_disk(settings: EmbeddedSettings, free: int | None = None) -> Check:
    """Check that there is space for the ledger, the journals and the log."""
    free = shutil.disk_usage(_nearest(settings.state_path)).free if free is None else free
    detail = f"{free / GIBIBYTE:.1f} GiB free for {settings.state_folder}"
    if free < MIN_DISK_BYTES:
        return problem("disk", detail, "free some space: a ledger that can't be written stops all trading")
    if free < LOW_DISK_BYTES:
        return warning("disk", detail, "free some space: the ledger writes every change to disk")
    return ok("disk", detail)


def check_ports(settings: EmbeddedSettings) -> list[Check]:
    """Check that the configured ports are free."""
    ports = {
        HTTP_PORT: settings.http_port,
        "TRUEBOOK_OPERATOR__PORT": settings.operator.port,
    }
    if settings.exchange_url is None:
        ports["TRUEBOOK_PAPER_EXCHANGE__PORT"] = settings.paper_exchange.port
    selected = {name: port for name, port in ports.items() if port}
    if not selected:
        return [ok("ports", "none is configured: free ones are used")]
    owner = owner_of(settings.state_path)
    is_running = owner is not None and _is_alive(owner.pid)
    found = []
    for name, port in selected.items():
        if _is_free(port):
            found.append(ok("ports", f"{port} is free ({name})"))
        elif name == HTTP_PORT and _is_service(port):
            found.append(ok("ports", f"{port} is in use by a service of Truebook ({name})"))
        elif is_running:
            found.append(ok("ports", f"{port} is in use ({name}), as expected while the system runs"))
        else:
            found.append(
                problem("ports", f"{port} is in use ({name})", "stop the process there, or choose another port")
            )
    return found


def check_keys(settings: EmbeddedSettings) -> Check:
    """Check that the private key can be used."""
    if settings.exchange_url is None:
        return ok("keys", "the embedded exchange creates its own key pair")
    try:
        key_id, key_file = settings.credentials()
        load_signer(key_id, key_file)
    except SettingsError as error:
        return problem("keys", "; ".join(error.problems), "set TRUEBOOK_KEY_ID and TRUEBOOK_KEY_FILE")
    except KeyRefused as error:
        return problem("keys", str(error), "correct the file, or create a new key at the exchange")
    return ok("keys", f"{key_file} can be read by its owner only")


def check_model(settings: EmbeddedSettings) -> Check:
    """Check that the model can be loaded and has the layout of the observations."""
    try:
        computed = find_layout(settings.observation.layout)
        registry = ModelRegistry(settings.models_path, trades_on=computed)
        is_file = settings.model.endswith(".onnx")
        name = settings.model or registry.active_name()
        model = (
            registry.load_file(Path(name)) if is_file else registry.load(name) if settings.model else registry.active()
        )
    except (ModelRefused, UnknownLayout, BadPlugin) as error:
        return problem("model", str(error), "see docs/models.md")
    return ok("model", f"{name}, layout {model.layout.name}")


def check_bundled_server(settings: EmbeddedSettings) -> Check | None:
    """Check that there is a server program for the ledger; None where the ledger is elsewhere."""
    if settings.redis_url is not None:
        return None
    try:
        return ok("ledger server", f"{find_program()}, started with appendonly yes, appendfsync always, noeviction")
    except BundledServerError as error:
        return problem("ledger server", "no Valkey or Redis program was found", str(error))


def _nearest(path: Path) -> Path:
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_service(port: int) -> bool:
    """Whether a service's health is served there: in a container, ``doctor`` runs beside the service."""
    try:
        response = httpx.get(f"http://127.0.0.1:{port}/livez", timeout=0.5, trust_env=False)
        return bool(response.json() == {"alive": True})
    except (httpx.HTTPError, ValueError):
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
