"""`/v1/availability/quality`: real figures of a real database, as the API document describes them."""

import sys
from pathlib import Path

import httpx
import pytest
from monitored import NOW_MS, World, outcomes
from starlette.applications import Starlette

from haulcast.availability import quality_api
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.openapi.document import document

sys.path.append(str(Path(__file__).parents[1] / "openapi"))
from described import Described


def verify(token):
    """Claims of `fleet/role`."""
    fleet, _, role = token.partition("/")
    if not role:
        raise TokenError("no_token", "no")
    return Claims(fleet, role, None)


@pytest.fixture
def world(database):
    return World(database)


async def test_a_fleet_reads_its_own_figures(world):
    """By question and horizon, with the alert that lasts; another fleet has none of them, and none yet is no error."""
    first = world.monitoring()
    assert (await _quality(first, "acme/dispatcher")).json()["figures"]["free"] == []
    await first.look()
    assert (await _quality(first, "acme/dispatcher")).json()["figures"]["free"] == []
    await world.settled("acme", outcomes(300, 0.6, from_ms=NOW_MS - 3_600_000))
    await world.settled("acme", outcomes(10, 1.0, from_ms=NOW_MS - 3_600_000, horizon_s=3_600))
    again = world.monitoring()
    await again.look()
    found = (await _quality(again, "acme/admin")).json()
    assert [one["horizon_minutes"] for one in found["figures"]["on_duty"]] == [15, 60]
    near = found["figures"]["on_duty"][0]
    assert (near["n"], near["accuracy"], near["share"], near["changed"]) == (300, 0.6, 0.6, 120)
    assert near["accuracy_low"] < 0.6 < near["accuracy_high"]
    assert near["skill"] < 0
    assert near["brier"] == pytest.approx(0.6 * 0.0625 + 0.4 * 0.5625, abs=1e-4)
    assert near["drift"]["times"] == 0
    assert (
        found["figures"]["free"][0]["skill"] is None
    )  # nobody was free, as was said, and that is all that persistence says
    assert [
        (one["question"], one["horizon_minutes"], one["end_ms"]) for one in found["alerts"]["on_duty"]
    ] == [("on_duty", 15, None)]
    other = (await _quality(again, "other/dispatcher")).json()
    assert other["figures"] == other["alerts"] == {"on_duty": [], "free": []}


async def _quality(monitoring, token):
    app = Starlette(
        routes=quality_api.routes(monitoring.quality, verify), exception_handlers=exception_handlers()
    )
    described = Described(document())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        answer = await client.get("/v1/availability/quality", headers={"Authorization": f"Bearer {token}"})
    described.check(answer)
    return answer


@pytest.mark.parametrize(("token", "status"), [("acme/viewer", 403), ("acme/device", 403), ("", 401)])
async def test_only_dispatchers_and_admins_read(world, token, status):
    """Others hear why not."""
    assert (await _quality(world.monitoring(), token)).status_code == status
