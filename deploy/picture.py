"""Draw `docs/images/summary.svg` from the real output of a run: `make picture`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "summary.svg"
COMMAND = ("run", "--for", "60s", "--fresh")
WIDTH = 62


def output(folder: str) -> str:
    """Run the command as a user does and return what it prints, with colours."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-m", "truebook_services.cli", *COMMAND],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def draw(text: str) -> str:
    """Return the text as an SVG of a terminal, without fonts that a viewer would have to fetch."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ truebook {' '.join(COMMAND)}"))
    console.print(Text.from_ansi(text))
    svg = console.export_svg(title="truebook", unique_id="truebook")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        PICTURE.write_text(draw(output(scratch)), encoding="utf-8")
