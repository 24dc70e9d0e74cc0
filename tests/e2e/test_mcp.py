"""``truebook mcp`` as an agent's program starts it: a process of its own beside one that trades."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from support.agents import call
from support.processes import TRUEBOOK, Background, environment, last_json, truebook

TRADED = re.compile(r"orders [1-9]\d*")
pytestmark = [pytest.mark.slow, pytest.mark.long]


async def test_an_agent_sees_and_halts_what_trades(tmp_path: Path) -> None:
    command, *arguments = TRUEBOOK
    server = StdioServerParameters(command=command, args=[*arguments, "mcp"], cwd=tmp_path, env=environment())
    trader = Background(tmp_path, "run", "--markets", "3")
    try:
        trader.wait_for(TRADED)
        async with Client(server) as client:
            status = await call(client, "status")
            assert status["alive"] and status["mode"] == "running" and status["orders"]["sent"] > 0
            decided = (await call(client, "why"))["funnel"]
            assert decided["verdict"]
            assert (await call(client, "model"))["models"]
            await call(client, "profit")
            statement = await call(client, "statement")
            assert statement["number_of_fills"] >= 0 and "fills" not in statement

            assert (await call(client, "halt"))["result"] == "held"
            assert last_json(truebook(tmp_path, "status", "--json").stdout)["mode"] == "halted"
            assert truebook(tmp_path, "resume").returncode == 0
            assert (await call(client, "status"))["mode"] == "running"
            assert truebook(tmp_path, "halt").returncode == 0
            assert (await call(client, "status"))["mode"] == "halted"

            trader.kill_9()
            assert (await call(client, "status"))["alive"] is False
    finally:
        trader.kill_9()


def test_invalid_settings_end_it_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "truebook.toml").write_text('market_data = "crystal_ball"\n')
    done = truebook(tmp_path, "mcp")
    assert (done.returncode, done.stdout) == (2, "")
    assert "market_data" in done.stderr
