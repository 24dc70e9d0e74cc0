"""The programs of ``examples/`` run and print what their comments state."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from truebook.models.session import load_model

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    "read_recording.py": ["bid 120.00 at 0.4600 offer 80.00 at 0.4800", "offer none"],
    "decide.py": ["fair price 0.470", "bid 5.00 at 0.4400", "ask 5.00 at 0.4800"],
    "reserve.py": ["cash $51.261200, reserved $48.738800", "refused:cash", "cash $52.356720, reserved $29.243280"],
    "exchange_client.py": ["remaining 10.00 filled 0.00", "balance in cents 100000"],
    "my_features.py": ["layout mine: 26 features"],
    "export_sklearn.py": ["compared 2384 rows; largest difference 0.00000", "mid 0.51, fair price 0."],
    "train_on_parquet.py": ["forest: Brier score 0.1", "boosted: Brier score 0.1", "on 600 later rows"],
    "train_policy.py": ["backtest of the file on 30 other markets", "its profit is $4"],
    "export_lightgbm.py": ["compared 2384 rows; largest difference 0.00000", "up: action 1 of 5"],
}
LIBRARIES = {
    "export_sklearn.py": ["skl2onnx"],
    "export_lightgbm.py": ["lightgbm", "onnxmltools"],
    "train_on_parquet.py": ["lightgbm", "onnxmltools", "pyarrow", "skl2onnx"],
    "train_policy.py": ["gymnasium", "onnx", "pyarrow"],
}
TRAINED = {
    "export_torch.py": ["compared 2384 rows; largest difference 0.00000", "files: network.onnx\n"],
    "export_policy.py": ["compared 384 rows; largest difference 0.00000", "trained by Stable-Baselines3"],
}
"""Those that need the extra ``train``."""


def run(program: Path, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRUEBOOK_")}
    paths = os.pathsep.join(str(ROOT / part) for part in ("libs", "services"))
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=folder, env=environment | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", EXPECTED)
def test_an_example_prints_what_it_states(program: str, tmp_path: Path) -> None:
    for library in LIBRARIES.get(program, ()):
        pytest.importorskip(library, reason=f"{library} is missing: install truebook[convert,research]")
    printed = run(EXAMPLES / program, tmp_path)
    assert [text for text in EXPECTED[program] if text not in printed] == [], printed


@pytest.mark.long
@pytest.mark.parametrize("program", TRAINED)
def test_an_example_of_training_prints_what_it_states(program: str, tmp_path: Path) -> None:
    for library in ("torch", "onnxscript", "stable_baselines3"):
        pytest.importorskip(library, reason=f"{library} is missing: install truebook[train]")
    printed = run(EXAMPLES / program, tmp_path)
    assert [text for text in TRAINED[program] if text not in printed] == [], printed


def test_every_example_is_run_and_listed() -> None:
    programs = {path.name for path in EXAMPLES.glob("*.py")}
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert programs == {*EXPECTED, *TRAINED}
    assert [name for name in programs if f"({name})" not in page] == []


def test_the_model_of_the_readme_can_be_loaded(tmp_path: Path) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    program = tmp_path / "model.py"
    section = page[page.index("## A model in fifteen lines") :]
    program.write_text(re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0])
    run(program, tmp_path)
    assert load_model(tmp_path / "micro.onnx").metadata.name == "micro"
