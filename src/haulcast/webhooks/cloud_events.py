"""An event as CloudEvents 1.0 in the structured JSON format."""

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import orjson

MEDIA_TYPE: Final = "application/cloudevents+json; charset=utf-8"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cloud_event(fleet: str, document: str) -> tuple[bytes, int]:
    """The body that is sent, the same at each attempt, and the event's time.

    Args:
        fleet: whose.
        document: the event's JSON text, as it is stored.

    Returns:
        UTF-8 JSON, and milliseconds since 1970.
    """
    said = orjson.loads(document)
    time = _EPOCH + timedelta(milliseconds=said["time_ms"])
    envelope = {
        "specversion": "1.0",
        "id": said["id"],
        "source": f"/haulcast/fleets/{quote(fleet, safe='')}",
        "type": f"haulcast.{said['event']}",
        "subject": said["vehicle"],
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": orjson.Fragment(document),
    }
    return orjson.dumps(envelope), said["time_ms"]
