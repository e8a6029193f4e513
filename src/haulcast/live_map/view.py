"""What a map client asks for, read and checked; `docs/protocol.md` has the commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import orjson

from haulcast.errors import FrameError, RequestError

Box = tuple[float, float, float, float]

USUAL_ZOOM = 12.0
MOST_ZOOM = 24.0
LEAST_RATE_HZ = 0.01
MOST_VEHICLES = 10_000


@dataclass(frozen=True, slots=True)
class View:
    """What one subscriber sees: west, south, east, north in degrees (west > east crosses the antimeridian), and how often."""

    box: Box
    zoom: float
    rate_hz: float
    vehicles: frozenset[str] | None  # None: all of the fleet
    events: bool


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Replace what is seen."""

    view: View


@dataclass(frozen=True, slots=True)
class Move:
    """The same view elsewhere; without a zoom, at the same one."""

    box: Box
    zoom: float | None


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with the events after this one."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """See nothing more."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Go on under a newer token."""

    token: str = field(repr=False)


Command = Subscribe | Move | Resume | Unsubscribe | Renew


def read_command(payload: bytes, most_rate_hz: float) -> Command:
    """The command in a text message.

    Raises:
        FrameError: not a JSON object.
        RequestError: an unknown command, or a field that is missing, unknown or wrong; names the field and what is allowed.
    """
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise FrameError("bad_json", f"the message is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise FrameError("wrong_type", "the message has to be a JSON object")
    kind = _needed(said, "type")
    if not isinstance(kind, str) or kind not in _COMMANDS:
        raise RequestError(
            "unknown_command", f"type is {_shown(kind)}; known are {', '.join(_COMMANDS)}", field="type"
        )
    read, fields = _COMMANDS[kind]
    for name in said.keys() - fields - {"type"}:
        allowed = ", ".join(sorted(fields)) or "none"
        raise RequestError(
            "unknown_field", f"{kind} has no field {name[:80]!r}; known are {allowed}", field=name[:80]
        )
    return read(said, most_rate_hz)


def _subscribe(said: Mapping[str, Any], most_rate_hz: float) -> Subscribe:
    rate_hz, events = said.get("rate_hz"), said.get("events", True)
    if not isinstance(events, bool):
        raise RequestError(
            "wrong_type", f"events is {_shown(events)}; allowed are true and false", field="events"
        )
    return Subscribe(
        View(
            box=_box(said),
            zoom=_number(said.get("zoom", USUAL_ZOOM), "zoom", 0.0, MOST_ZOOM),
            # a hub may be set to less than the least rate
            rate_hz=most_rate_hz
            if rate_hz is None
            else _number(rate_hz, "rate_hz", min(LEAST_RATE_HZ, most_rate_hz), most_rate_hz),
            vehicles=_vehicles(said.get("vehicles")),
            events=events,
        )
    )


def _move(said: Mapping[str, Any], _most_rate_hz: float) -> Move:
    zoom = said.get("zoom")
    return Move(_box(said), None if zoom is None else _number(zoom, "zoom", 0.0, MOST_ZOOM))


def _resume(said: Mapping[str, Any], _most_rate_hz: float) -> Resume:
    epoch, offset = _needed(said, "epoch"), _needed(said, "offset")
    if not isinstance(epoch, str):
        raise RequestError("wrong_type", f"epoch is {_shown(epoch)}; allowed is a text", field="epoch")
    if type(offset) is not int:
        raise RequestError(
            "wrong_type", f"offset is {_shown(offset)}; allowed is a whole number", field="offset"
        )
    if offset < 0:
        raise RequestError("out_of_range", f"offset is {offset}; allowed is 0 or more", field="offset")
    return Resume(epoch, offset)


def _unsubscribe(_said: Mapping[str, Any], _most_rate_hz: float) -> Unsubscribe:
    return Unsubscribe()


def _renew(said: Mapping[str, Any], _most_rate_hz: float) -> Renew:
    token = _needed(said, "token")
    if not isinstance(token, str) or not token:
        raise RequestError("wrong_type", "token has to be a JWT as text", field="token")
    return Renew(token)


_COMMANDS: Mapping[str, tuple[Callable[[Mapping[str, Any], float], Command], frozenset[str]]] = {
    "subscribe": (_subscribe, frozenset({"bbox", "zoom", "rate_hz", "vehicles", "events"})),
    "move": (_move, frozenset({"bbox", "zoom"})),
    "resume": (_resume, frozenset({"epoch", "offset"})),
    "unsubscribe": (_unsubscribe, frozenset()),
    "token": (_renew, frozenset({"token"})),
}


def _needed(said: Mapping[str, Any], name: str) -> Any:
    if name not in said:
        raise RequestError("missing_field", f"{name} is missing", field=name)
    return said[name]


def _shown(value: Any) -> str:
    return repr(value)[:80]


def _number(value: Any, name: str, least: float, most: float) -> float:
    # a bool is an int to Python, not to JSON
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(
            "wrong_type",
            f"{name} is {_shown(value)}; allowed is a number from {least:g} to {most:g}",
            field=name,
        )
    if not (least <= value <= most and isfinite(value)):
        raise RequestError(
            "out_of_range", f"{name} is {_shown(value)}; allowed is {least:g} to {most:g}", field=name
        )
    return float(value)


def _box(said: Mapping[str, Any]) -> Box:
    value = _needed(said, "bbox")
    if not isinstance(value, list) or len(value) != 4:
        raise RequestError(
            "wrong_type", f"bbox is {_shown(value)}; allowed is [west, south, east, north]", field="bbox"
        )
    west, east = (_number(value[i], "bbox", -180.0, 180.0) for i in (0, 2))
    south, north = (_number(value[i], "bbox", -90.0, 90.0) for i in (1, 3))
    if south > north:
        raise RequestError("out_of_range", f"bbox has south {south:g} above north {north:g}", field="bbox")
    return west, south, east, north


def _vehicles(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(vehicle, str) for vehicle in value):
        raise RequestError(
            "wrong_type", f"vehicles is {_shown(value)}; allowed is a list of texts", field="vehicles"
        )
    if len(value) > MOST_VEHICLES:
        raise RequestError(
            "out_of_range",
            f"vehicles has {len(value)} entries; allowed are {MOST_VEHICLES}",
            field="vehicles",
        )
    return frozenset(value)
