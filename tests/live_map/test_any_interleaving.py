"""Promises 4 and 5: whatever happens in whatever order, a client that has read everything sees what there is."""

import h3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_client import MapHub, holds, same

from haulcast.live_map import picture, showing
from haulcast.live_map.clusters import grown_box

STEP, MOVE, SUBSCRIBE, UNSUBSCRIBE, READ, WAIT, DELETE, RECONNECT = range(8)
FLEETS = ("acme", "umbra")


class Scenario:
    """Vehicles of two fleets, and clients that do anything at any time."""

    def __init__(self, seed, vehicles, clients):
        self.rng = np.random.default_rng(seed)
        self.hub = MapHub(cluster_rate_hz=5.0)
        self.names = [(FLEETS[i % 2], f"{FLEETS[i % 2]}-{i}") for i in range(vehicles)]
        self.clients = [self.connect() for _ in range(clients)]

    def connect(self):
        limit = int(self.rng.choice([400, 3000, 1 << 30]))
        return self.hub.client(
            FLEETS[self.rng.integers(2)], is_binary=bool(self.rng.integers(2)), limit_bytes=limit
        )

    def box(self):
        south, north = sorted((self.rng.integers(-4, 5, 2) / 2).tolist())
        # on a grid that the vehicles are on too, so that borders are hit; both sides of the antimeridian
        west, east = ((self.rng.integers(-4, 5, 2) / 2 + 360) % 360 - 180).tolist()
        return [west, south, east, north]

    def zoom(self):
        return float(self.rng.choice([3.0, 6.0, 12.0], p=[0.15, 0.15, 0.7]))

    def step(self):
        count = self.rng.integers(1, len(self.names) + 1)
        fixes = {}
        for i in self.rng.permutation(len(self.names))[:count]:
            lat, lon = self.rng.integers(-5, 6, 2) / 2
            speed, heading = self.rng.choice([np.nan, 3.25, 30.0]), self.rng.choice([np.nan, 0.0, 271.5])
            fixes[self.names[i]] = (lat, (lon + 360) % 360 - 180, speed, heading)
        self.hub.place(fixes)

    def act(self, action):
        client_at = self.rng.integers(len(self.clients))
        client = self.clients[client_at]
        if action == STEP:
            self.step()
        elif action == WAIT:
            self.hub.clock.advance(float(self.rng.choice([1, 10, 20, 150])))
        elif action == READ:
            client.read()
        elif action == SUBSCRIBE:
            view = {"zoom": self.zoom(), "rate_hz": float(self.rng.choice([1.0, 7.0, 50.0]))}
            if self.rng.random() < 0.3:
                own = [f"{client.fleet}-{i}" for i in range(len(self.names) + 3)]
                view["vehicles"] = [name for name in own if self.rng.random() < 0.5]
            client.subscribe(self.box(), **view)
        elif action == MOVE and client.view is not None:
            client.move(self.box(), zoom=self.zoom())
        elif action == UNSUBSCRIBE and client.view is not None:
            client.say(type="unsubscribe")
            client.read()
            client.view = None
        elif action == DELETE:
            self.hub.delete(*self.names[self.rng.integers(len(self.names))])
        elif action == RECONNECT:
            client.leave()
            self.clients[client_at] = self.connect()


def cluster_truth(hub, client):
    """Count and mean speed of each cell near the view, one h3 call a vehicle."""
    box, cells = grown_box(tuple(client.view["bbox"]), client.resolution), {}
    everything = hub.seen(client.fleet, {"bbox": [-180, -90, 180, 90]})
    for row in everything.values():
        cells.setdefault(h3.latlng_to_cell(row["lat"], row["lon"], client.resolution), []).append(
            row["speed_mps"]
        )
    truth = {}
    for cell, speeds in cells.items():
        lat, lon = h3.cell_to_latlng(cell)
        if holds(box, lat, lon):
            known = [speed for speed in speeds if not np.isnan(speed)]
            truth[cell] = {
                "lat": lat,
                "lon": lon,
                "count": len(speeds),
                "speed_mps": np.mean(known) if known else np.nan,
            }
    return truth


@pytest.fixture(scope="module", params=["roomy", "narrow"])
def limits(request):
    """Once as it is, once with so little room that logs overrun and flushes are cut in pieces all the time."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "narrow":
            patch.setattr(picture, "LOG_LEAST", 4)
            patch.setattr(picture, "LOG_ROUNDS", 2)
            patch.setattr(showing, "MOST_DELTAS", 2)
            patch.setattr(showing, "MOST_SCANS", 1)
        yield


@pytest.mark.usefixtures("limits")
@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    vehicles=st.integers(1, 40),
    clients=st.integers(1, 5),
    actions=st.lists(
        st.sampled_from(
            [STEP, STEP, MOVE, SUBSCRIBE, UNSUBSCRIBE, READ, READ, WAIT, WAIT, DELETE, RECONNECT]
        ),
        max_size=60,
    ),
)
def test_every_client_ends_with_the_truth_of_its_view(seed, vehicles, clients, actions):
    """After any interleaving, each client's picture equals brute force; each frame on the way was checked by the client."""
    scenario = Scenario(seed, vehicles, clients)
    for action in actions:
        scenario.act(action)
    scenario.hub.settle(*scenario.clients)
    for client in scenario.clients:
        assert client.link.close_code is None
        if client.view is None:
            continue
        is_far = client.view["zoom"] < 7 and client.view.get("vehicles") is None
        assert client.kind == ("clusters" if is_far else "positions")
        truth = (
            cluster_truth(scenario.hub, client) if is_far else scenario.hub.seen(client.fleet, client.view)
        )
        assert same(client.held, truth), (client.held, truth)


@pytest.mark.usefixtures("limits")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_nothing_is_sent_twice(seed, steps):
    """A client that reads hears of each fix in its view once, at any rate: each row it gets is new to it."""
    scenario = Scenario(seed, 30, 0)
    clients = [scenario.hub.client("acme", is_binary=bool(i % 2)) for i in range(3)]
    for client, rate_hz in zip(clients, (50.0, 9.0, 2.0), strict=True):
        client.subscribe([179, -1, -179.5, 2], rate_hz=rate_hz)
    told = [{} for _ in clients]
    for _ in range(steps):
        scenario.hub.clock.advance(20.0)
        scenario.step()
        for client, seen in zip(clients, told, strict=True):
            client.read()
            for frame in client.frames:
                for number in frame.gone:
                    del seen[number]
                for number, row in frame.rows.items():
                    assert frame.is_snapshot or seen.get(number) != row["fix_time_ms"]
                    seen[number] = row["fix_time_ms"]
            client.frames.clear()
