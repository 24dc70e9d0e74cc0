"""Latency profiles: round trips, slow calls, lags and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from truebook.simulation.latency_profile import PROFILES, LatencyError, LatencyProfile, read_profile

CALLS = 20_000


@pytest.mark.parametrize(("name", "min_us", "max_us"), [("home", 90_000, 110_000), ("hosted", 4_000, 8_000)])
def test_a_profile_has_its_round_trip_and_slow_calls(name: str, min_us: int, max_us: int) -> None:
    profile = PROFILES[name]
    whole_us = [each.read_us + each.response_us for each in (profile.delay(1, number) for number in range(CALLS))]
    usual = [each for each in whole_us if each <= max_us]
    assert min(usual) >= min_us and max(usual) - min(usual) > (max_us - min_us) * 0.9
    slow = [each for each in whole_us if each > max_us]
    assert min(slow) > 500_000 and 0.008 < len(slow) / CALLS < 0.012


def test_a_slow_call_is_slow_on_either_way() -> None:
    delays = [PROFILES["home"].delay(2, number) for number in range(CALLS)]
    assert {each.extra_us > 0 for each in delays if each.read_us + each.response_us > 500_000} == {True, False}
    assert all(each.extra_us == 0 or each.read_us > each.extra_us for each in delays)


def test_lists_lag_between_0_3_and_1_5_seconds() -> None:
    lags_us = [PROFILES["home"].list_lag(3, number) for number in range(2_000)]
    assert 300_000 <= min(lags_us) < 320_000 and 1_480_000 < max(lags_us) <= 1_500_000


def test_equal_seeds_draw_equal_delays() -> None:
    one, other = (PROFILES["hosted"].delay(5, 7) for _ in range(2))
    assert one == other
    assert len({PROFILES["hosted"].delay(seed, 7) for seed in range(50)}) > 40


def test_measured_round_trips_are_drawn_and_divided(tmp_path: Path) -> None:
    file = tmp_path / "measured.json"
    file.write_text('{"round_trips_us": [100000, 120000, 900000], "out_ppm": 250000}')
    profile = read_profile(str(file))
    delays = {profile.delay(1, number) for number in range(200)}
    assert {(each.read_us, each.response_us) for each in delays} == {
        (25_000, 75_000), (30_000, 90_000), (225_000, 675_000),
    }  # fmt: skip
    latency = profile.latency(1)
    assert {latency.of_order(str(number)) for number in range(200)} == {25_000, 30_000, 225_000}


def test_a_profile_without_responses_delays_nothing() -> None:
    assert LatencyProfile(order_us=5).delay(1, 1) == (0, 0, 0)
    assert read_profile("12.5ms").latency(1).order_us == 12_500


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"order_us": -1}', "between 0 and"), ('{"order": 1}', "unknown field"), ('{"slow_ppm": 2000000}', "at most"),
        ("[]", "Expected `object`"),
    ],
)  # fmt: skip
def test_a_wrong_file_states_what_is_valid(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(LatencyError, match=message):
        read_profile(str(file))
    with pytest.raises(LatencyError, match="give home, hosted, a time such as 100ms, or a file"):
        read_profile("missing.json")
