"""A folder of models: one is active, another may be its shadow.

    FOLDER/NAME.onnx               the user's models; bundled ones are beside this module and keep their names
    FOLDER/active.json             the models in use and the earlier ones, changed under FOLDER/lock
                                   (``truebook.models.pointer``)
    FOLDER/versions/SHA256.onnx    a copy of each file in use: a roll-back does not depend on NAME.onnx, which may
                                   have been trained again since
    FOLDER/changes.jsonl           all changes (``truebook.models.history``)

A model is loaded and checked before it is made active, so an unusable file never becomes active.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from cachetools import FIFOCache

from truebook.clock import Clock, SystemClock
from truebook.features.layout import Layout
from truebook.features.plugins import find_layout
from truebook.models.errors import ModelRefused
from truebook.models.history import Change, ChangeKind, ModelVersion, append_change
from truebook.models.pointer import (
    BUNDLED,
    DEFAULT_NAME,
    MAX_EARLIER,
    Pointer,
    PointerFile,
    read_file,
    write_registry_file,
)
from truebook.models.session import Model, parse_model


class ModelRegistry:
    """The models of one folder. Loaded models are cached by the digest of their bytes."""

    def __init__(
        self,
        folder: Path,
        *,
        default: str = DEFAULT_NAME,
        bundled: Path = BUNDLED,
        layouts: Callable[[str], Layout] = find_layout,
        trades_on: Layout | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``trades_on`` is the layout of the observations: models of another one are refused; None accepts any.

        ``clock`` dates the changes; None is the machine's.
        """
        self.files = PointerFile(folder, default=default, bundled=bundled)
        self._layouts = layouts
        self._trades_on = trades_on
        self._clock = clock or SystemClock()
        self._cache: FIFOCache[str, Model] = FIFOCache(MAX_EARLIER + 2)

    @property
    def folder(self) -> Path:
        return self.files.folder

    def names(self) -> tuple[str, ...]:
        """Return the names of all models, bundled and own, sorted."""
        return self.files.names()

    def path(self, name: str) -> Path:
        """Return the path of a model; raises ``ModelRefused``. Bundled models take precedence."""
        return self.files.model_path(name)

    def load(self, name: str) -> Model:
        """Load a model from its current file; raises ``ModelRefused``."""
        path = self.path(name)
        return self.load_content(read_file(path), str(path), name)

    def load_file(self, path: Path) -> Model:
        """Load a file outside the folder; raises ``ModelRefused``."""
        return self.load_content(read_file(path), str(path), path.stem)

    def load_content(self, content: bytes, file: str, name: str) -> Model:
        """Load a model's bytes; ``file`` names their source in errors. Raises ``ModelRefused``."""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._cache:
            model = parse_model(content, file, stem=name, layouts=self._layouts)
            self._refuse_other_layout(model, file)
            self._cache[sha256] = model
        return self._cache[sha256]

    def add(self, path: Path) -> str:
        """Check a file and copy it into the folder; returns its name, which is the file's stem.

        Raises as ``add_content`` does.
        """
        self.add_content(read_file(path), str(path), path.stem)
        return path.stem

    def add_content(self, content: bytes, file: str, name: str) -> None:
        """Check a model's bytes and store them under this name.

        Raises ``RegistryReadOnly``, and ``ModelRefused``, also if a different bundled model has that name: the copy
        would never be used.
        """
        if Path(name).name != name:
            raise ModelRefused(file, [f"{name!r} can't be a model's name: it must be a file's name"])
        self.load_content(content, file, name)
        bundled = self.files.bundled / f"{name}.onnx"
        if bundled.is_file():
            if bundled.read_bytes() != content:
                raise ModelRefused(file, [f"a bundled model is named {name!r}: give the file another name"])
            return
        write_registry_file(self.folder / f"{name}.onnx", content)

    def active(self) -> Model:
        """Load the active model as it was activated, or the default if none was; raises ``ModelRefused``.

        Without a change it reads only one small file.
        """
        pointer = self.pointer()
        return self.load(self.files.default) if pointer is None else self.version(pointer.active)

    def active_name(self) -> str:
        """Return the active model's name; raises ``ModelRefused`` if the pointer is damaged."""
        pointer = self.pointer()
        return self.files.default if pointer is None else pointer.active.name

    def pointer(self) -> Pointer | None:
        """Read which models are in use, None if none ever was set; raises ``ModelRefused`` if the file is damaged."""
        return self.files.read()

    def version(self, version: ModelVersion) -> Model:
        """Load the kept copy of a model in use; raises ``ModelRefused``."""
        cached = self._cache.get(version.sha256)
        return cached if cached is not None else self._load_version(version)

    def is_loaded(self, version: ModelVersion) -> bool:
        """Return whether ``version`` returns at once."""
        return version.sha256 in self._cache

    def activate(self, name: str, *, evidence: str | None = None, instead_of: str | None = None) -> Model:
        """Check a model, copy its bytes, make it active; raises ``ModelRefused`` and then changes nothing.

        ``instead_of``: only while that model is the active one.
        With ``evidence``, the summary of its shadow run, it is recorded as promoted. Raises ``RegistryReadOnly`` and
        ``RegistryBusy`` too, as all changes do.
        """
        model, version, content = self._checked(name)
        with self.files.locked():
            _refuse_others_change(self.files.read_or_default().active.name, instead_of)
            self.files.copy(version, content)
            self._activate(version, evidence)
        return model

    def promote_shadow(self, *, evidence: str) -> Model:
        """Make the shadow the active model, with the bytes that ran as shadow; raises ``ModelRefused``."""
        pointer = self.pointer()
        if pointer is None or pointer.shadow is None:
            raise ModelRefused(str(self.folder), ["there is no shadow: set one by `truebook models shadow NAME`"])
        model = self.version(pointer.shadow)
        with self.files.locked():
            if self.files.read_or_default().shadow != pointer.shadow:
                raise ModelRefused(pointer.shadow.name, ["it is not the shadow any more: nothing was changed"])
            self._activate(pointer.shadow, evidence)
        return model

    def set_shadow(self, name: str) -> Model:
        """Check a model and run it as shadow from now on; raises ``ModelRefused``, also for the active model."""
        model, version, content = self._checked(name)
        with self.files.locked():
            self.files.copy(version, content)
            pointer = self.files.read_or_default()
            if version.sha256 == pointer.active.sha256:
                raise ModelRefused(name, ["it is the active model: a shadow must be another one"])
            if pointer.shadow is None or pointer.shadow.sha256 != version.sha256:
                now_us = self._clock.now_us()
                change = Change(at_us=now_us, kind=ChangeKind.SHADOW_SET, model=version, previous=pointer.shadow)
                self.files.write(msgspec.structs.replace(pointer, shadow=version, shadow_since_us=now_us), change)
        return model

    def remove_shadow(self) -> bool:
        """Stop the shadow; return whether there was one."""
        if self.pointer() is None:
            return False
        with self.files.locked():
            pointer = self.pointer()
            if pointer is None or pointer.shadow is None:
                return False
            change = Change(
                at_us=self._clock.now_us(), kind=ChangeKind.SHADOW_REMOVED, model=None, previous=pointer.shadow
            )  # fmt: skip
            self.files.write(msgspec.structs.replace(pointer, shadow=None, shadow_since_us=0), change)
        return True

    def roll_back(self, *, instead_of: str | None = None) -> Model:
        """Make the previous model active again; ``instead_of``: only while that model is the active one.

        Raises ``ModelRefused`` if there is none, or if the active model was rolled back meanwhile.
        """
        pointer = self.pointer()
        if pointer is None or not pointer.before:
            raise ModelRefused(str(self.folder), ["there is no earlier model to roll back to"])
        _refuse_others_change(pointer.active.name, instead_of)
        model = self.version(pointer.before[0])
        self.files.roll_back(self._clock.now_us(), expected=pointer.active)
        return model

    def record(self, change: Change) -> None:
        """Append to the history; raises ``RegistryReadOnly``, and OSError if the disk is full."""
        append_change(self.folder, change)

    def _checked(self, name: str) -> tuple[Model, ModelVersion, bytes]:
        path = self.path(name)
        content = read_file(path)
        model = self.load_content(content, str(path), name)
        return model, ModelVersion(name, model.metadata.sha256), content

    def _activate(self, version: ModelVersion, evidence: str | None) -> None:
        """Make a copied model the active one; to be called ``locked``."""
        pointer = self.files.read_or_default()
        if pointer.active == version and pointer.stopped is None and self.files.path.exists():
            return
        now_us = self._clock.now_us()
        was_shadow = pointer.shadow is not None and pointer.shadow.sha256 == version.sha256
        before = pointer.before if pointer.active == version else (pointer.active, *pointer.before)
        changed = msgspec.structs.replace(
            pointer, active=version, before=before[:MAX_EARLIER], active_since_us=now_us, stopped=None,
            rolled_back=None, shadow=None if was_shadow else pointer.shadow,
            shadow_since_us=0 if was_shadow else pointer.shadow_since_us,
        )  # fmt: skip
        change = Change(
            at_us=now_us, kind=ChangeKind.ACTIVATED if evidence is None else ChangeKind.PROMOTED, model=version,
            previous=pointer.active, evidence=evidence or "",
        )  # fmt: skip
        self.files.write(changed, change)

    def _refuse_other_layout(self, model: Model, file: str) -> None:
        """A model that is never given a vector of its own layout would decide nothing, without an error."""
        if self._trades_on is not None and model.layout.hash != self._trades_on.hash:
            what = f"it was made for layout {model.layout.name}, but the observations have {self._trades_on.name}"
            raise ModelRefused(file, [f"{what}: set TRUEBOOK_OBSERVATION__LAYOUT={model.layout.name}"])

    def _load_version(self, version: ModelVersion) -> Model:
        path = self.files.version_path(version)
        content = read_file(path)
        if hashlib.sha256(content).hexdigest() != version.sha256:
            raise ModelRefused(str(path), ["its bytes differ from the activated ones: activate the model again"])
        return self.load_content(content, str(path), version.name)


def _refuse_others_change(active: str, expected: str | None) -> None:
    if expected not in (None, active):
        raise ModelRefused(active, [f"{expected} is not active any more, {active} is: nothing was changed"])
