"""Which models a registry's folder has in use, and the roll-back. It loads no model, so it needs no ONNX Runtime.

FOLDER/lock                    held while the pointer is read and replaced, by one process at a time
FOLDER/active.json             the active model, the earlier ones and the shadow, replaced atomically
FOLDER/versions/SHA256.onnx    a copy of each file in use
FOLDER/changes.jsonl           all changes (``truebook.models.history``)
FOLDER/drawdown-ACCOUNT.json   an account's drawdown since the activation, if the operator has set a limit
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.files import is_full_disk, write_atomically
from truebook.models.errors import ModelRefused, NotRecorded, RegistryBusy, RegistryReadOnly
from truebook.models.guard import Breach, Drawdown
from truebook.models.history import HISTORY, Change, ChangeKind, ModelVersion, append_change

BUNDLED: Final = Path(__file__).parent / "bundled"
DEFAULT_NAME: Final = "maker"
POINTER: Final = "active.json"
LOCK: Final = "lock"
_LOCK_TRIES: Final = 200
_LOCK_WAIT_S: Final = 0.01
"""A change takes milliseconds. One that hangs, such as a suspended command, must not hang a policy."""
MAX_EARLIER: Final = 10
"""The number of earlier models that can be rolled back to."""
_MODE: Final = 0o666
"""Less the umask: the policy may run as another user than the one who activates a model."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a model was rolled back or stopped automatically, by the service ``by``."""

    model: ModelVersion
    at_us: int
    by: str
    breach: Breach


class InUse(msgspec.Struct, frozen=True, kw_only=True):
    """The model that a process uses, and the newest automatic changes of it."""

    name: str
    stopped: Failure | None = None
    rolled_back: Failure | None = None


class Pointer(msgspec.Struct, frozen=True):
    """The models in use; ``before`` are the earlier active ones, newest first."""

    active: ModelVersion
    before: tuple[ModelVersion, ...] = ()
    shadow: ModelVersion | None = None
    shadow_since_us: int = 0
    active_since_us: int = 0
    stopped: Failure | None = None
    """Why the active model may not decide any more; None if it may."""
    rolled_back: Failure | None = None
    """The newest automatic roll-back; None after the next activation."""


class PointerFile:
    """The pointer of one folder, and the copies that it refers to."""

    def __init__(self, folder: Path, *, default: str = DEFAULT_NAME, bundled: Path = BUNDLED) -> None:
        self.folder = folder
        self.default = default
        self.bundled = bundled
        self.path = folder / POINTER

    def read(self) -> Pointer | None:
        """Read which models are in use, None if none ever was set; raises ``ModelRefused`` if the file is damaged."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ModelRefused(str(self.path), [f"the pointer can't be read: {error.strerror}"]) from error
        try:
            return msgspec.json.decode(raw, type=Pointer)
        except UNREADABLE as error:
            hint = "remove it to return to the default model"
            raise ModelRefused(str(self.path), [f"the pointer is damaged ({error}): {hint}"]) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process change the models in use between a read and the write that depends on it.

        It is not reentrant. Models are loaded before, not within. Raises ``RegistryBusy`` and ``RegistryReadOnly``, and
        OSError if the disk is full.
        """
        path = self.folder / LOCK
        descriptor = _open_lock(path)
        try:
            _lock(descriptor, path)
            yield
        finally:
            os.close(descriptor)

    def read_or_default(self) -> Pointer:
        """Return the pointer, or that of the default model, whose bytes are copied first. To be called ``locked``.

        Raises ``ModelRefused`` and ``RegistryReadOnly``.
        """
        pointer = self.read()
        if pointer is not None:
            return pointer
        version, content = self._default_version()
        self.copy(version, content)
        return Pointer(version)

    def _default_version(self) -> tuple[ModelVersion, bytes]:
        content = read_file(self.model_path(self.default))
        return ModelVersion(self.default, hashlib.sha256(content).hexdigest()), content

    def write(self, pointer: Pointer, change: Change) -> None:
        """Replace the pointer, append the change to the history, and remove copies that nothing refers to.

        To be called ``locked``. Raises ``RegistryReadOnly``, and OSError if the disk is full; ``NotRecorded`` if only
        the history can't be written.
        """
        write_registry_file(self.path, msgspec.json.encode(pointer))
        try:
            append_change(self.folder, change)
        except (RegistryReadOnly, OSError) as error:
            raise NotRecorded(self.folder / HISTORY, error) from error
        shadow = () if pointer.shadow is None else (pointer.shadow,)
        needed = {version.sha256 for version in (pointer.active, *pointer.before, *shadow)}
        for path in (self.folder / "versions").glob("*.onnx"):
            if path.stem not in needed:
                path.unlink(missing_ok=True)

    def roll_back(
        self, at_us: int, failure: Failure | None = None, *, expected: ModelVersion | None = None
    ) -> Pointer | None:  # fmt: skip
        """Return to the previous model, or stop the active one if there is none; return the new pointer.

        With ``failure`` it is automatic: None is returned, and nothing is changed, if that model is not the active one
        any more, or is stopped already. Without, an operator rolls back, and ``ModelRefused`` is raised if there is no
        earlier model, or if another than ``expected`` is active. Raises as ``locked`` does too.
        """
        with self.locked():
            return self._roll_back(at_us, failure, expected)

    def _roll_back(self, at_us: int, failure: Failure | None, expected: ModelVersion | None) -> Pointer | None:
        pointer = self.read_or_default()
        if expected is not None and pointer.active != expected:
            what = f"{expected.name} is not active any more, {pointer.active.name} is"
            raise ModelRefused(str(self.folder), [f"{what}: nothing was changed; see `truebook models history`"])
        if failure is not None and (failure.model.sha256 != pointer.active.sha256 or pointer.stopped is not None):
            return None
        if pointer.before:
            kind, model = ChangeKind.ROLLED_BACK, pointer.before[0]
            is_shadow = pointer.shadow is not None and pointer.shadow.sha256 == model.sha256
            changed = msgspec.structs.replace(
                pointer, active=model, before=pointer.before[1:], active_since_us=at_us, stopped=None,
                rolled_back=failure, shadow=None if is_shadow else pointer.shadow,
                shadow_since_us=0 if is_shadow else pointer.shadow_since_us,
            )  # fmt: skip
        elif failure is not None:
            kind, model = ChangeKind.STOPPED, None
            changed = msgspec.structs.replace(pointer, stopped=failure)
        else:
            raise ModelRefused(str(self.folder), ["there is no earlier model to roll back to"])
        by, reason = ("operator", "") if failure is None else (failure.by, failure.breach.text)
        self.write(
            changed, Change(at_us=at_us, kind=kind, model=model, previous=pointer.active, by=by, reason=reason)
        )  # fmt: skip
        return changed

    def read_drawdown(self, account: str) -> Drawdown | None:
        """Read the drawdown of the active model on an account; None without one that can be read."""
        try:
            return msgspec.json.decode(self._drawdown_path(account).read_bytes(), type=Drawdown)
        except (OSError, *UNREADABLE):
            return None

    def write_drawdown(self, account: str, drawdown: Drawdown) -> None:
        """Keep the drawdown; raises as ``write`` does."""
        write_registry_file(self._drawdown_path(account), msgspec.json.encode(drawdown))

    def drawdown_of_active(self, known: Drawdown | None, opened_us: int) -> Drawdown:
        """Return ``known`` if it is of the active model's activation and of this ledger, else a new one.

        Raises ``ModelRefused``.
        """
        pointer = self.read()
        if pointer is None:
            version, since_us = self._default_version()[0], 0
        else:
            version, since_us = pointer.active, pointer.active_since_us
        found = (version, since_us, opened_us)
        if known is not None and (known.version, known.since_us, known.opened_us) == found:
            return known
        return Drawdown(version=version, since_us=since_us, opened_us=opened_us)

    def _drawdown_path(self, account: str) -> Path:
        return self.folder / f"drawdown-{account}.json"

    def model_path(self, name: str) -> Path:
        """Return the path of a model; raises ``ModelRefused``. Bundled models take precedence."""
        for folder in (self.bundled, self.folder):
            candidate = folder / f"{name}.onnx"
            if candidate.parent == folder and candidate.is_file():
                return candidate
        known = ", ".join(self.names())
        raise ModelRefused(name, [f"no such model; available: {known}. Put NAME.onnx into {self.folder}"])

    def names(self) -> tuple[str, ...]:
        """Return the names of all models, bundled and own, sorted."""
        return tuple(sorted({path.stem for folder in (self.bundled, self.folder) for path in folder.glob("*.onnx")}))

    def version_path(self, version: ModelVersion) -> Path:
        return self.folder / "versions" / f"{version.sha256}.onnx"

    def copy(self, version: ModelVersion, content: bytes) -> None:
        """Keep a model's bytes. To be called ``locked``, or another process removes them; raises as ``write`` does."""
        path = self.version_path(version)
        if not path.exists():
            write_registry_file(path, content)


def read_file(path: Path) -> bytes:
    """Read a model file; raises ``ModelRefused`` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelRefused(str(path), [f"the file cannot be read: {error.strerror or error}"]) from error


def _open_lock(path: Path) -> int:
    """Open the lock's file; it may be another user's, and only readable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise RegistryReadOnly(path, error) from error


def _lock(descriptor: int, path: Path) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S)
        except OSError as error:
            raise RegistryReadOnly(path, error) from error
    raise RegistryBusy(path)


def write_registry_file(path: Path, content: bytes) -> None:
    """Replace a file; raises ``RegistryReadOnly`` if it can't be written, and OSError if the disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, mode=_MODE, concurrent=True)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise RegistryReadOnly(path, error) from error
