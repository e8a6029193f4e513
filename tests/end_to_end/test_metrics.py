"""`/metrics` of a real hub, as a Prometheus reads it."""

import asyncio
import json
import time
import urllib.error
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from websockets.asyncio.client import connect

import haulcast
from benchmarks.processes import token
from geo.track_filter import REASON_NAMES
from haulcast.clock import epoch_ms
from haulcast.metrics.families import HISTOGRAMS, ROWS

METRICS_TOKEN = "scrape-me-0123456789"
WORLD = [-180, -90, 180, 90]


def ask(found, bearer=METRICS_TOKEN, accept="", method="GET"):
    """Status, content type and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{found.http_port}/metrics", method=method)
    if bearer:
        request.add_header("Authorization", f"Bearer {bearer}")
    if accept:
        request.add_header("Accept", accept)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


class Scrape:
    """Values by name and labels."""

    def __init__(self, found):
        status, _, self.text = ask(found)
        assert status == 200
        self.families = {family.name: family for family in read_text(self.text)}
        self.values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def __getitem__(self, key):
        return self.values["haulcast_" + key[0], *key[1:]] if isinstance(key, tuple) else self[key,]


def fix(seq, lat=37.71, age_ms=2_000, **more):
    return {"seq": seq, "time_ms": epoch_ms() - age_ms, "lat": lat, "lon": -122.4, **more}


async def hear(socket, kind):
    async with asyncio.timeout(10):
        while (said := json.loads(await socket.recv()))["type"] != kind:
            pass
    return said


def device_of(found, vehicle="a"):
    return connect(
        f"ws://127.0.0.1:{found.hub_port}/v1/device",
        additional_headers={"Authorization": f"Bearer {token(vehicle=vehicle)}"},
    )


async def test_values_move_as_the_hub_does(start_hub, wait_until):
    """Every fix sent stands under accepted, refused or held; delays, frames, closes and acks follow what happened."""
    async with start_hub(metrics_token=METRICS_TOKEN) as found:

        async def scraped():
            return await asyncio.to_thread(Scrape, found)

        at_start = await scraped()
        assert at_start["fixes_total"] == 0
        assert at_start["freshness_seconds_count"] == 0
        assert at_start["build_info", haulcast.__version__] == 1
        viewing = connect(
            f"ws://127.0.0.1:{found.hub_port}/v1/live",
            additional_headers={"Authorization": f"Bearer {token('viewer')}"},
        )
        async with device_of(found) as device, viewing as viewer:
            await viewer.send(json.dumps({"type": "subscribe", "bbox": WORLD}))
            await hear(viewer, "snapshot")
            for seq in range(5):
                await device.send(json.dumps(fix(seq, lat=37.71 + seq * 1e-5)))
                await hear(viewer, "positions")
            await device.send(
                json.dumps({"fixes": [fix(5, lat=0, lon=0), fix(6, lat=91), fix(7, age_ms=9_000)]})
            )
            await device.send("{")
            await device.send(json.dumps(fix(8, lat=50.0, age_ms=0)))
            await hear(device, "error")
            now = await wait_until(lambda: settled(found))
            assert (now["fixes_total"], now["fixes_accepted_total"], now["fixes_late_total"]) == (9, 6, 1)
            assert (now["fixes_refused_total"], now["fixes_held"], now["bad_frames_total"]) == (2, 1, 1)
            assert now["refusal_reasons_total", "null_island"] == 1
            assert {
                name for key, name, *_ in (k for k in now.values if len(k) == 2) if "reasons" in key
            } == set(REASON_NAMES)
            assert (now["devices"], now["subscribers"], now["vehicles"]) == (1, 1, 1)
            assert now["acks_total"] >= 1
            assert now["device_delay_seconds_count"] == 6
            # the queue's share of it, a tick or more, counts there and not here
            assert 5 * 2.0 + 9.0 - 1.0 < now["device_delay_seconds_sum"] < 5 * 3.0 + 10.0
            assert now["queue_delay_seconds_count"] == now["batch_fixes_sum"] == 9
            assert now["step_duration_seconds_count"] == now["batch_fixes_count"] == now["ticks_total"]
            assert now["freshness_seconds_count"] == now["fan_out_delay_seconds_count"] == 5
            assert 10.0 <= now["freshness_seconds_sum"] < 15.0
            assert now["map_frames_total"] == 6
            assert now["database_connections_max"] >= now["database_connections", "used"] >= 0
            await device.close(4999)
        ended = await wait_until(lambda: closed(found))
        assert ended["socket_closes_total", "other"] == 1  # 4999 is no code of ours
        assert ended["socket_closes_total", "1000"] == 1
        assert ended["socket_closes_total", "4002"] == 0
        assert (ended["fixes_held"], ended["fixes_refused_total"]) == (0, 3)
        counters = await asyncio.to_thread(found.counters)
        assert counters["accepted"] == ended["fixes_accepted_total"]


async def settled(found):
    """The scrape in which all nine fixes stand."""
    now = await asyncio.to_thread(Scrape, found)
    assert now["fixes_total"] == now["fixes_accepted_total"] + now["fixes_refused_total"] + now["fixes_held"]
    return now if now["fixes_total"] == 9 and now["acks_total"] >= 1 else None


async def closed(found):
    now = await asyncio.to_thread(Scrape, found)
    return (
        now
        if now["devices"] == now["subscribers"] == now["fixes_held"] == 0
        and ("haulcast_socket_closes_total", "other") in now.values
        else None
    )


async def test_the_document_is_whole_and_cheap_and_for_operators_only(start_hub):
    """All families from the first scrape on, in both formats; who may not read hears why, and no token opens by halves."""
    async with start_hub(metrics_token=METRICS_TOKEN) as found:
        now = await asyncio.to_thread(Scrape, found)
        for row in ROWS:
            assert row.path.startswith("history.") or row.name in now.families, row.name
        assert {name for name, *_ in HISTOGRAMS.values()} <= now.families.keys()
        assert {
            "process_cpu_seconds",
            "process_resident_memory_bytes",
            "process_open_fds",
        } <= now.families.keys()
        assert now.text.count("# HELP") == now.text.count("# TYPE") == len(now.families)
        assert "bench" not in now.text
        accept = "application/openmetrics-text;version=1.0.0"
        _, content_type, text = await asyncio.to_thread(ask, found, METRICS_TOKEN, accept)
        assert content_type.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        assert len(list(read_openmetrics(text))) == len(now.families)
        for bearer, status, code in [
            ("", 401, "no_token"),
            (METRICS_TOKEN[:-1], 401, "bad_token"),
            (METRICS_TOKEN + "x", 401, "bad_token"),
            ("é", 401, "bad_token"),
            (token("viewer"), 403, "wrong_role"),
            (token(vehicle="a"), 403, "wrong_role"),
        ]:
            answer, content_type, body = await asyncio.to_thread(ask, found, bearer)
            assert (answer, json.loads(body)["code"]) == (status, code)
            assert content_type == "application/problem+json"
            assert METRICS_TOKEN not in body
        assert (await asyncio.to_thread(ask, found, token("admin")))[0] == 200
        assert (await asyncio.to_thread(ask, found, METRICS_TOKEN, "", "POST"))[0] == 405
        took_s = []
        for _ in range(20):
            began_s = time.perf_counter()
            await asyncio.to_thread(ask, found)
            took_s.append(time.perf_counter() - began_s)
        assert min(took_s) < 0.1


async def test_without_a_metrics_token_only_an_admin_reads(running_hub):
    """An empty setting is no token that one could send."""
    assert (await asyncio.to_thread(ask, running_hub, ""))[0] == 401
    assert (await asyncio.to_thread(ask, running_hub, " "))[0] == 401
    assert (await asyncio.to_thread(ask, running_hub, token("admin")))[0] == 200
