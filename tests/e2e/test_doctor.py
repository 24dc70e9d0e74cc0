"""``truebook doctor`` on a healthy machine, and with wrong settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from support.processes import last_json, start_exchange, truebook
from support.redis_servers import running


def checks(folder: Path, expected_code: int, **environment: str) -> list[dict[str, Any]]:
    done = truebook(folder, "doctor", "--json", **environment)
    assert done.returncode == expected_code, done.stdout + done.stderr
    found: list[dict[str, Any]] = last_json(done.stdout)["checks"]
    return found


def of(found: list[dict[str, Any]], name: str) -> list[str]:
    return [each["state"] for each in found if each["name"] == name]


def test_a_new_folder_is_healthy_and_wrong_settings_are_problems(tmp_path: Path) -> None:
    found = checks(tmp_path, 0)
    assert {each["state"] for each in found} == {"ok"}
    wrong = checks(tmp_path, 2, TRUEBOOK_MARKET_DATA="crystal_ball", TRUEBOOK_HTTP_PORT="-1")
    assert of(wrong, "settings") == ["problem", "problem"]
    gone = checks(tmp_path, 3, TRUEBOOK_REDIS_URL="redis://127.0.0.1:1", TRUEBOOK_KAFKA_SERVERS="127.0.0.1:1")
    assert of(gone, "redis") == of(gone, "kafka") == ["problem"]


def test_an_exchange_in_another_process_is_checked(tmp_path: Path) -> None:
    exchange, url, key_id, key_file = start_exchange(tmp_path, "--port", "0", "--markets", "1")
    try:
        named = {"TRUEBOOK_EXCHANGE_URL": url, "TRUEBOOK_KEY_FILE": str(key_file)}
        found = checks(tmp_path, 0, **named, TRUEBOOK_KEY_ID=key_id)
        assert of(found, "exchange") == of(found, "clock") == of(found, "rate limit") == of(found, "keys") == ["ok"]
        refused = checks(tmp_path, 3, **named, TRUEBOOK_KEY_ID="another-key")
        assert of(refused, "exchange") == ["problem"]
    finally:
        exchange.interrupt()


@pytest.mark.slow
def test_a_redis_that_could_lose_writes_is_a_problem(tmp_path: Path) -> None:
    with running("bundled", tmp_path / "server") as url:
        found = checks(tmp_path, 0, TRUEBOOK_REDIS_URL=url)
        assert of(found, "redis") == ["ok"] * 4
        client = redis.Redis.from_url(url)
        client.config_set("appendfsync", "everysec")
        client.close()
        assert of(checks(tmp_path, 3, TRUEBOOK_REDIS_URL=url), "redis").count("problem") == 1
