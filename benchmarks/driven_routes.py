"""A route for every vehicle of the load: the line that it will drive, with stops on it, put into a hub as a dispatcher does."""

import asyncio
import http.client
import json

import numpy as np

from benchmarks.load import starts, steps_deg
from benchmarks.processes import HubProcess, token

LINE_M, STOPS, POINT_M = 20_000.0, 4, 200.0
AT_ONCE = 8
QUIET_S = 0.1  # CPU in a second: what the routes set off is done


def routes_of(seed: int, vehicles: list[str]) -> list[dict[str, object]]:
    """Documents of active routes, for a load of this seed."""
    lat, lon, heading = starts(np.random.default_rng(seed), len(vehicles))
    steps = np.arange(0.0, LINE_M + 1, POINT_M)
    dlat, dlon = steps_deg(heading, 1.0)
    found: list[dict[str, object]] = []
    for i, vehicle in enumerate(vehicles):
        points = np.stack((lon[i] + dlon[i] * steps, lat[i] + dlat[i] * steps), 1).round(6).tolist()
        places = points[len(points) // STOPS :: len(points) // STOPS]
        stops = [{"id": f"s{k}", "kind": "stop", "lat": y, "lon": x} for k, (x, y) in enumerate(places)]
        line = {"type": "LineString", "coordinates": points}
        found.append(
            {"id": f"r-{vehicle}", "vehicle": vehicle, "status": "active", "stops": stops, "line": line}
        )
    return found


async def put_routes(found: HubProcess, seed: int, vehicles: list[str]) -> None:
    """Put them, and wait until all are in force and the hub rests."""
    documents = routes_of(seed, vehicles)
    parts = [documents[k::AT_ONCE] for k in range(AT_ONCE)]
    await asyncio.gather(*(asyncio.to_thread(_put, found.http_port, part) for part in parts))
    busy_s, cpu_s = 1.0, found.process.cpu_s()
    while busy_s > QUIET_S or (await asyncio.to_thread(found.counters))["routes"]["active"] < len(vehicles):
        await asyncio.sleep(1.0)
        before_s, cpu_s = cpu_s, found.process.cpu_s()
        busy_s = cpu_s - before_s


def _put(http_port: int, documents: list[dict[str, object]]) -> None:
    link = http.client.HTTPConnection("127.0.0.1", http_port, timeout=120)
    headers = {"Authorization": f"Bearer {token('admin')}", "Content-Type": "application/json"}
    for document in documents:
        link.request("PUT", f"/v1/routes/{document['id']}", json.dumps(document), headers)
        answer = link.getresponse()
        body = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"route {document['id']} was refused: {body.decode()}")
    link.close()
