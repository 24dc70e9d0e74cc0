"""What ``truebook doctor`` looks at on this machine: Python, packages, folder, disk, ports, keys, model."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from truebook.features.layout import UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.kalshi.signing import KeyRefused, load_signer
from truebook.ledger.bundled import BundledServerError, find_program
from truebook.models.errors import ModelRefused
from truebook.models.registry import ModelRegistry
from truebook.runtime.settings import SettingsError
from truebook.runtime.state_folder import owner_of
from truebook_services.cli.findings import Finding, ok, problem, warning
from truebook_services.embedded.settings import EmbeddedSettings

SUPPORTED: Final = ((3, 11), (3, 14))
GIBIBYTE: Final = 1 << 30
LITTLE_BYTES: Final = GIBIBYTE
LEAST_BYTES: Final = GIBIBYTE // 5
DEVELOPERS: Final = "dev"
"""The extra that no user misses."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def check_python(version: tuple[int, int] | None = None) -> Finding:
    """Is this Python one that Truebook is tested with?"""
    least, most = SUPPORTED
    here = version or sys.version_info[:2]
    about = f"Python {here[0]}.{here[1]}"
    if here < least:
        return problem("python", f"{about} is too old", f"use Python {least[0]}.{least[1]} to {most[0]}.{most[1]}")
    if here > most:
        return warning("python", f"{about} is newer than what is tested", f"use up to {most[0]}.{most[1]}")
    return ok("python", about)


def check_packages(requirements: list[str] | None = None) -> list[Finding]:
    """Are the packages there that the core needs? Which extras are not installed?"""
    needed = requirements if requirements is not None else metadata.requires("truebook") or []
    missing: dict[str, list[str]] = {}
    for requirement in needed:
        name, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if name is None or name[0].lower() == "truebook" or (extra is None and ";" in requirement):
            continue  # what is needed on some systems only has a check of its own
        if not _is_installed(name[0]):
            missing.setdefault(extra[1] if extra else "", []).append(name[0])
    core = missing.pop("", [])
    missing.pop(DEVELOPERS, None)
    found = [
        problem("packages", f"missing: {', '.join(core)}", "install truebook anew: pip install truebook")
        if core
        else ok("packages", "all of the core are installed")
    ]
    for wanted, names in sorted(missing.items()):
        what_to_do = f"where it is wanted: pip install 'truebook[{wanted}]'"
        found.append(ok("extras", f"{wanted} is not installed (missing: {', '.join(names)})", what_to_do))
    return found


def check_folder(settings: EmbeddedSettings) -> Finding:
    """Can the state folder be written, and is anyone in it?"""
    path = settings.state_path
    nearest = _nearest(path)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return problem("state folder", f"{nearest} can't be written", "change its owner, or set TRUEBOOK_STATE_FOLDER")
    owner = owner_of(path)
    if owner is not None and _is_alive(owner.pid):
        return ok("state folder", f"{path}, in use by process {owner.pid}")
    if path.exists() and path.stat().st_mode & 0o077:
        return warning("state folder", f"{path} can be read by others", f"run: chmod 700 {path}")
    return ok("state folder", str(path) if path.exists() else f"{path} will be made by the first run")


def check_disk(settings: EmbeddedSettings, free: int | None = None) -> Finding:
    """Is there room for the ledger, the journals and the log?"""
    free = shutil.disk_usage(_nearest(settings.state_path)).free if free is None else free
    about = f"{free / GIBIBYTE:.1f} GiB free for {settings.state_folder}"
    if free < LEAST_BYTES:
        return problem("disk", about, "a ledger that can't be written stops all trading: make room")
    if free < LITTLE_BYTES:
        return warning("disk", about, "make room: the ledger writes every step to disk")
    return ok("disk", about)


def check_ports(settings: EmbeddedSettings) -> list[Finding]:
    """Are the ports free that were asked for by number?"""
    wanted = {
        "TRUEBOOK_HTTP_PORT": settings.http_port,
        "TRUEBOOK_OPERATOR__PORT": settings.operator.port,
    }
    if settings.exchange_url is None:
        wanted["TRUEBOOK_PAPER_EXCHANGE__PORT"] = settings.paper_exchange.port
    chosen = {name: port for name, port in wanted.items() if port}
    if not chosen:
        return [ok("ports", "none is asked for by number: free ones are taken")]
    owner = owner_of(settings.state_path)
    is_running = owner is not None and _is_alive(owner.pid)
    found = []
    for name, port in chosen.items():
        if _is_free(port):
            found.append(ok("ports", f"{port} is free ({name})"))
        elif is_running:
            found.append(ok("ports", f"{port} is in use ({name}), as it should be while the system runs"))
        else:
            found.append(problem("ports", f"{port} is in use ({name})", "end who listens there, or choose another"))
    return found


def check_keys(settings: EmbeddedSettings) -> Finding:
    """Can the private key be used?"""
    if settings.exchange_url is None:
        return ok("keys", "the embedded exchange makes a pair of its own")
    try:
        key_id, key_file = settings.credentials()
        load_signer(key_id, key_file)
    except SettingsError as error:
        return problem("keys", "; ".join(error.problems), "set TRUEBOOK_KEY_ID and TRUEBOOK_KEY_FILE")
    except KeyRefused as error:
        return problem("keys", str(error), "mend the file, or make a new key at the exchange")
    return ok("keys", f"{key_file} can be read by its owner alone")


def check_model(settings: EmbeddedSettings) -> Finding:
    """Can the model be loaded, and is it made for the layout that is computed?"""
    try:
        registry = ModelRegistry(settings.state_folder / "models")
        is_file = settings.model.endswith(".onnx")
        model = registry.load_file(Path(settings.model)) if is_file else registry.load(settings.model)
        computed = find_layout(settings.observation.layout)
    except (ModelRefused, UnknownLayout, BadPlugin) as error:
        return problem("model", str(error), "see docs/models.md")
    if model.layout.hash != computed.hash:
        about = f"{settings.model} is made for layout {model.layout.name}, observations are of {computed.name}"
        return problem("model", about, f"set TRUEBOOK_OBSERVATION__LAYOUT={model.layout.name}")
    return ok("model", f"{settings.model}, layout {model.layout.name}")


def check_bundled_server(settings: EmbeddedSettings) -> Finding | None:
    """Is there a server program for the ledger? Null where the ledger is elsewhere."""
    if settings.redis_url is not None:
        return None
    try:
        return ok("ledger server", f"{find_program()}, run with appendonly yes, appendfsync always, noeviction")
    except BundledServerError as error:
        return problem("ledger server", "no Valkey or Redis program is found", str(error))


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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
