"""The model of a run is checked against the observations before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.onnx_files import metadata, onnx_bytes
from truebook.features.layout import layout
from truebook.models.errors import ModelRefused
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import choose_model


def test_a_model_of_another_layout_does_not_start_a_run(tmp_path: Path) -> None:
    c52 = layout("c52")
    path = tmp_path / "mine.onnx"
    path.write_bytes(onnx_bytes(metadata(layout="c52", layout_hash=c52.hash).to_properties(), inputs=len(c52)))
    settings = EmbeddedSettings(state_folder=tmp_path / "state", model=str(path))
    with pytest.raises(ModelRefused, match="set TRUEBOOK_OBSERVATION__LAYOUT=c52"):
        choose_model(settings)
    assert not (tmp_path / "state").exists()
    observed = settings.observation.model_copy(update={"layout": "c52"})
    registry = choose_model(settings.model_copy(update={"observation": observed}))
    assert registry.names() == ("gold15m", "hold", "maker", "mine", "random", "small")
