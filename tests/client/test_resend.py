"""A device client that is asked to send again."""

import json

import numpy as np
import pytest
from small_hub import fixes_of, small_hub, token

from haulcast.client import DeviceClient
from haulcast.client.unacked_fixes import EncodedFix, UnackedFixes
from haulcast.doors import wire


@pytest.mark.parametrize("binary", [False, True])
async def test_what_is_asked_for_comes_again_in_order_and_is_acked(binary: bool) -> None:
    """The hub drops what comes after 4, says so, and gets it once more, on the same connection."""
    asked = []

    async def ask_once(socket) -> None:
        if not asked and hub.handled["truck-7"] == 9:
            asked.append(4)
            for seq in range(5, 10):
                del hub.taken["truck-7"][seq]
            hub.handled["truck-7"] = 4
            if binary:
                await socket.send(np.array((wire.REPLY_RESEND, 0, 4), wire.RESEND_REPLY).tobytes())
            else:
                await socket.send(json.dumps({"type": "resend", "seq": 4}))

    async with small_hub(before_ack=ask_once) as hub:
        async with DeviceClient(hub.url, token(), binary=binary, first_seq=0, frame_fixes=5) as device:
            for i in range(10):
                device.send(time_ms=1_790_000_000_000 + 1_000 * i, lat_deg=37.5, lon_deg=-122.5)
            await device.drained()
            assert (device.counts.acked, device.counts.connections) == (10, 1)
        assert sorted(hub.taken["truck-7"]) == list(range(10))
        sent = [fix["seq"] for frame in hub.frames for fix in fixes_of(frame)]
    assert asked == [4]
    assert sent == [*range(10), *range(5, 10)]


def test_only_what_is_on_its_way_and_asked_for_waits_again() -> None:
    """What is below stays in flight, what was never sent stays behind it."""
    fixes = UnackedFixes(100)
    for seq in range(6):
        fixes.add(EncodedFix(seq, b'{"a":1}', is_text=True, given_seq=seq))
    fixes.next_frame(2, 10**6)
    fixes.next_frame(2, 10**6)
    fixes.rewind(2)
    frame = fixes.next_frame(100, 10**6)
    assert [fix["seq"] for fix in json.loads(frame)["fixes"]] == [3, 4, 5]
    fixes.ack(2)
    assert (fixes.counts.acked, len(fixes)) == (3, 3)
    fixes.rewind(100)
    assert not fixes.has_waiting
    fixes.rewind()
    assert fixes.has_waiting
