"""The requests about models: the registry's folder is changed, whichever backend is called."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from truebook.models.registry import ModelRegistry
from truebook_services.operator.model_requests import Models
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import ActivateModel, RollBackModel


def models(folder: Path) -> Models:
    return Models(folder, "sim-main", "m1")


async def test_a_switch_is_seen_by_the_registry_and_the_list(tmp_path: Path) -> None:
    changed = await models(tmp_path).activate(ActivateModel(name="small"))
    assert (changed.name, changed.is_active) == ("small", True)
    assert ModelRegistry(tmp_path).active_name() == "small"
    listed = {each.name: each for each in (await models(tmp_path).list()).models}
    assert (listed["small"].is_active, listed["maker"].is_previous) == (True, True)


async def test_a_roll_back_returns_to_the_previous_model(tmp_path: Path) -> None:
    await models(tmp_path).activate(ActivateModel(name="small"))
    assert (await models(tmp_path).roll_back(RollBackModel(instead_of="small"))).name == "maker"


async def test_a_switch_after_another_operators_changes_nothing(tmp_path: Path) -> None:
    await models(tmp_path).activate(ActivateModel(name="small"))
    for change in (
        models(tmp_path).activate(ActivateModel(name="maker", instead_of="maker")),
        models(tmp_path).roll_back(RollBackModel(instead_of="maker")),
    ):
        with pytest.raises(RequestRefused, match="maker is not active any more, small is"):
            await change
    assert ModelRegistry(tmp_path).active_name() == "small"


async def test_an_unknown_model_and_no_earlier_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestRefused, match="no such model"):
        await models(tmp_path).activate(ActivateModel(name="missing"))
    with pytest.raises(RequestRefused, match="no earlier model"):
        await models(tmp_path).roll_back(RollBackModel())


async def test_the_loop_runs_while_models_are_loaded(tmp_path: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    await models(tmp_path).list()
    ticking.cancel()
    assert ticks > 0
