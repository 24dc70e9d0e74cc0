"""The comparison with the clients of the real exchange: what it reads of a wheel, and its reviewed differences."""

from __future__ import annotations

import zipfile
from pathlib import Path

from spec_drift.__main__ import REVIEWED
from spec_drift.client_wheels import Field, Operation, read_channels, read_official
from spec_drift.compare import differences
from spec_drift.own_api import absent

API = '''
class MarketApi:
    async def get_markets(self, limit=None) -> Any:
        """Get."""
        _response_types_map = {
            '200': "GetMarketsResponse",
        }

    def _get_markets_serialize(self, limit, shape):
        if limit is not None:
            _query_params.append(('limit', limit))
        if shape is not None:
            _query_params.append(('shape', shape))
        return self.api_client.param_serialize(method='GET', resource_path='/markets', path_params=_path_params)
'''
MODEL = """
class GetMarketsResponse(BaseModel):
    markets: List[Market]
    cursor: Optional[StrictStr] = Field(default=None, alias="next_cursor", description="x")
    __properties: ClassVar[List[str]] = ["markets"]
"""
MARKET = """
class Market(BaseModel):
    ticker: StrictStr
    status: StrictStr
    colour: StrictStr
    __properties: ClassVar[List[str]] = ["ticker"]

    @field_validator('status')
    def status_validate_enum(cls, value):
        if value not in set(['active', 'closed']):
            raise ValueError
"""
KIND = "class Kind(str, Enum):\n    A = 'a'\n    B = 'b'\n"


def wheel(folder: Path) -> Path:
    file = folder / "client.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("client/api/market_api.py", API)
        for name, text in (("get_markets_response", MODEL), ("market", MARKET), ("kind", KIND)):
            archive.writestr(f"client/models/{name}.py", text)
        archive.writestr(
            "kalshi/ws/channels.py", 'X = {\n    "ticker": frozenset(),\n    "weather": frozenset({"a"}),\n}'
        )
    return file


def test_a_wheel_is_read_without_running_it(tmp_path: Path) -> None:
    api = read_official(wheel(tmp_path))
    assert api.operations == {"GET /markets": Operation(("limit", "shape"), "GetMarketsResponse")}
    assert api.models["GetMarketsResponse"] == {"markets": Field(True, "Market"), "next_cursor": Field(False, "")}
    assert api.enums == {"Market.status": ("active", "closed"), "Kind": ("a", "b")}
    assert read_channels(wheel(tmp_path)) == ("ticker", "weather")


def test_every_kind_of_difference_is_a_line(tmp_path: Path) -> None:
    api = read_official(wheel(tmp_path))
    market = {"ticker": "A", "status": "paused", "size": 1}
    found = differences(api, ["ticker", "weather"], {"GET /markets": [{"markets": [market]}]})
    for line in (
        "parameter unknown: GET /markets shape",
        "parameter only ours: GET /markets tickers",
        "field not sent: Market.colour (required)",
        "field not sent: GetMarketsResponse.next_cursor",
        "field only ours: Market.size",
        "value unknown: Market.status paused",
        "enum: Kind = a b",
        "channel not simulated: weather",
        "channel only ours: fill",
        "operation only ours: POST /portfolio/events/orders",
    ):
        assert line in found, line


def test_the_reviewed_differences_name_each_absent_operation() -> None:
    lines = REVIEWED.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))
    assert {line for line in lines if line.startswith("operation not")} == {
        f"operation not simulated: {operation}" for operation in absent()
    }
    assert not [line for line in lines if "(required)" in line or line.startswith(("value", "operation unknown"))]
