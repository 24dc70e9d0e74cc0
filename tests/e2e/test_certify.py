"""``truebook certify`` as a command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support.processes import truebook

CLIENT = """
import os, sys, urllib.request
assert urllib.request.urlopen(os.environ["KALSHI_API_BASE_URL"] + "/exchange/status").status == 200
assert os.path.exists(os.environ["KALSHI_PRIVATE_KEY_PATH"]) and os.environ["KALSHI_API_KEY_ID"]
print('truebook-certify {"positions": {"NONE-1": "1.00"}}')
"""


def test_a_client_is_run_and_judged(tmp_path: Path) -> None:
    command = ["certify", "--for", "30s", "--markets", "2", "--fault", "lost_ack", "--json", "--", sys.executable, "-c"]
    done = truebook(tmp_path, *command, CLIENT)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "certification/report.json").read_text())
    assert report["position_differences"] == ["NONE-1: believed 1.00, held 0.00"]
    assert [one["verdict"] for one in report["faults"]] == ["not met"]
    assert "ended after" in done.stderr and (tmp_path / "certification/report.html").exists()


def test_a_client_that_does_not_exist_ends_in_one_line(tmp_path: Path) -> None:
    done = truebook(tmp_path, "certify", "--", "no-such-client")
    assert done.returncode == 2 and "no-such-client" in done.stderr and len(done.stderr.splitlines()) == 1
