"""GPX 1.0 and 1.1: each track is a vehicle, its segments one after the other.

https://www.topografix.com/GPX/1/1/ ; speed and course stand in the point (1.0) or anywhere in its extensions (1.1, for example
Garmin's TrackPointExtension v2), in metres a second and degrees. Prefixes of names do not matter.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO
from xml import sax
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

import numpy as np

from haulcast.errors import RequestError
from haulcast.recordings.recording import Recording

_NUMBERS = {"speed": "speed_mps", "course": "heading_deg", "ele": "altitude_m"}


@dataclass(slots=True)
class _Point:
    line: int
    lat_deg: float
    lon_deg: float
    time_ms: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)


def read_gpx(lines: IO[str], stem: str, where: str) -> Recording:
    """All track points, in order. A track without a name is called `stem`; `where` is for errors.

    Raises:
        RequestError: not XML, or a point without position or time; names the line.
    """
    handler = _TrackReader(stem, where)
    try:
        sax.parse(lines, handler)  # noqa: S317 - expat refuses entity bombs since 2.4.1, and the file is the user's own
    except sax.SAXParseException as error:
        raise RequestError(
            "bad_recording", f"{where}:{error.getLineNumber()}: not XML: {error.getMessage()}"
        ) from error
    points = handler.points
    optional = {name: np.array([p.numbers.get(name, math.nan) for p in points]) for name in _NUMBERS.values()}
    return Recording(
        vehicles=handler.vehicles,
        vehicle=np.array(handler.vehicle, np.int32),
        time_ms=np.array([p.time_ms for p in points], np.int64),
        lat_deg=np.array([p.lat_deg for p in points], np.float64),
        lon_deg=np.array([p.lon_deg for p in points], np.float64),
        optional={name: column for name, column in optional.items() if np.isfinite(column).any()},
    )


class _TrackReader(ContentHandler):
    """Collects points while the parser walks; `trk > name`, `trk > trkseg > trkpt > time, ele, speed, course`."""

    def __init__(self, stem: str, where: str) -> None:
        super().__init__()
        self.vehicles: list[str] = []
        self.vehicle: list[int] = []
        self.points: list[_Point] = []
        self._stem = stem
        self._where = where
        self._path: list[str] = []
        self._text = ""
        self._point: _Point | None = None
        self._locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - the base class names it
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        name = name.rpartition(":")[2]
        self._path.append(name)
        self._text = ""
        if name == "trk":
            self.vehicles.append(self._unused(self._stem))
        elif name == "trkpt":
            try:
                self._point = _Point(self._line(), float(attrs["lat"]), float(attrs["lon"]))
            except (KeyError, ValueError):
                raise self._error("a track point needs numbers as lat and lon") from None

    def characters(self, content: str) -> None:
        self._text += content

    def endElement(self, name: str) -> None:  # noqa: N802
        name = self._path.pop()
        parent = self._path[-1] if self._path else ""
        text, self._text = self._text.strip(), ""
        if name == "name" and parent == "trk" and text:
            self.vehicles[-1] = ""
            self.vehicles[-1] = self._unused(text)
        elif self._point is None:
            return
        elif name == "time" and parent == "trkpt":
            self._point.time_ms = self._time_ms(text)
        elif name in _NUMBERS and text:
            self._point.numbers[_NUMBERS[name]] = self._number(name, text)
        elif name == "trkpt":
            self._finish(self._point)

    def _finish(self, point: _Point) -> None:
        if point.time_ms is None:
            raise self._error("this track point has no <time>, so it cannot be replayed", point.line)
        self.vehicle.append(len(self.vehicles) - 1)
        self.points.append(point)
        self._point = None

    def _unused(self, name: str) -> str:
        if name not in self.vehicles:
            return name
        return next(
            other for n in range(2, len(self.vehicles) + 3) if (other := f"{name}-{n}") not in self.vehicles
        )

    def _time_ms(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self._error(f"time is {text!r}; it has to be ISO 8601") from None
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return round(moment.timestamp() * 1000)

    def _number(self, name: str, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self._error(f"{name} is {text!r}; it has to be a number") from None

    def _line(self) -> int:
        return (self._locator.getLineNumber() or 0) if self._locator else 0

    def _error(self, says: str, line: int | None = None) -> RequestError:
        return RequestError("bad_recording", f"{self._where}:{line or self._line()}: {says}")
