"""Every recorded REST body and frame beside what the simulated exchange describes and sends, in both directions.

Known differences are lines of ``recorded_differences.txt``, with the month of the recording: those of the newest month
are what the simulated exchange lacks or adds, those of earlier ones are mostly changes of the exchange's API since.
"""

from __future__ import annotations

from pathlib import Path

from support.paper_client import paper_settings, running
from support.recorded_operations import FRAMES, Comparison, recorded_bodies, recorded_frames
from truebook_services.paper_exchange.rest.application import ENDPOINTS, PREFIX
from truebook_services.paper_exchange.rest.openapi.document import document
from truebook_services.paper_exchange.rest.openapi.served import VERSION

REVIEWED = Path(__file__).parent / "recorded_differences.txt"


def reviewed(*, of_frames: bool) -> set[str]:
    lines = REVIEWED.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if (" frame " in line) is of_frames}


def test_recorded_bodies_differ_from_ours_only_as_reviewed() -> None:
    comparison = Comparison(document(ENDPOINTS, PREFIX, VERSION))
    for one in recorded_bodies():
        comparison.add(one)
    assert comparison.compared > 100
    found, known = set(comparison.differences()), reviewed(of_frames=False)
    new, gone = sorted(found - known), sorted(known - found)
    assert (new, gone) == ([], []), "\n".join(["new:", *new, "gone:", *gone])


async def sent_frames() -> dict[str, set[str]]:
    """Return the fields of each kind of frame that the simulated exchange sends in a short session."""
    found: dict[str, set[str]] = {}
    async with running(paper_settings(markets=12)) as client:
        ticker = (await client.two_sided())["ticker"]
        async with client.socket() as socket:
            channels = ["orderbook_delta", "trade", "ticker"]
            await socket.send("subscribe", channels=channels, market_tickers=[ticker])
            await socket.send("subscribe", channels=["user_orders", "fill", "market_positions", "order_group_updates"])
            group = await client.call("POST", "/portfolio/order_groups/create", body={"contracts_limit": 50})
            group_id = group.json()["order_group_id"]
            await client.create(ticker, order_group_id=group_id, expiration_time=client.exchange.now_us() // 10**6 + 99)
            await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel")
            wanted = {*FRAMES, "subscribed", "market_position"}
            while wanted - found.keys():
                frame = await socket.next()
                found.setdefault(frame["type"], set()).update(frame.get("msg", {}))
    return found


async def test_recorded_frames_differ_from_ours_only_as_reviewed() -> None:
    recorded = recorded_frames()
    assert {kind for _, kind in recorded} == FRAMES
    ours, found = await sent_frames(), set()
    for (era, kind), names in recorded.items():
        found |= {f"{era} frame {kind}.{name}: only recorded" for name in names - ours[kind]}
        found |= {f"{era} frame {kind}.{name}: only ours" for name in ours[kind] - names}
    known = reviewed(of_frames=True)
    new, gone = sorted(found - known), sorted(known - found)
    assert (new, gone) == ([], []), "\n".join(["new:", *new, "gone:", *gone])
