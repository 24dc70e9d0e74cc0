"""The reconciler as its own process: which models it may roll back."""

from __future__ import annotations

from pathlib import Path

import pytest

from truebook.runtime.settings import load
from truebook_services.reconciler.__main__ import ReconcilerProcess


def test_a_model_set_by_the_settings_leaves_the_registry_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUEBOOK_STATE_FOLDER", str(tmp_path))
    monkeypatch.setenv("TRUEBOOK_POLICY__MAX_AGE_S", "4")
    files = load(ReconcilerProcess).models()
    assert files is not None
    assert files.folder == tmp_path / "models"
    monkeypatch.setenv("TRUEBOOK_POLICY__MODEL", "maker")
    assert load(ReconcilerProcess).models() is None
