"""What a map client asks for, read and checked; `docs/protocol.md` has the commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import orjson

from haulcast.errors import FrameError, RequestError

Box = tuple[float, float, float, float]

USUAL_ZOOM = 12.0
MOST_ZOOM = 24.0
LEAST_RATE_HZ = 0.01
MOST_VEHICLES = 10_000
LEAST_SPEED, MOST_SPEED = 0.1, 3_600.0
LEAST_MS, MOST_MS = -62_135_596_800_000, 253_402_300_800_000
"""The years 1 to 9999, which the history can hold."""


@dataclass(frozen=True, slots=True)
class View:
    """What one subscriber sees: west, south, east, north in degrees (west > east crosses the antimeridian), and how often."""

    box: Box
    zoom: float
    rate_hz: float
    vehicles: frozenset[str] | None  # None: all of the fleet
    events: bool
    fences: bool = False  # whether to be told that the fleet's fences, or its rules, were edited
    availability: bool = False  # whether to be told who will be free, and when

    def moved(self, move: "Move") -> "View":
        """The same elsewhere."""
        return replace(self, box=move.box, zoom=self.zoom if move.zoom is None else move.zoom)


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


@dataclass(frozen=True, slots=True)
class Play:
    """Show the history from this moment on; of the view, what is None is as it was."""

    at_ms: int
    until_ms: int | None  # None: until now
    speed: float
    box: Box | None
    zoom: float | None
    rate_hz: float | None
    vehicles: frozenset[str] | None

    def view_after(self, view: View | None, most_rate_hz: float) -> View:
        """What is shown from now on, to one who saw `view` before.

        Raises:
            RequestError: there is no box.
        """
        if view is None:
            if self.box is None:
                raise RequestError(
                    "missing_field", "bbox is missing, and there is no subscription", field="bbox"
                )
            view = View(self.box, USUAL_ZOOM, most_rate_hz, None, events=True)
        asked = {name: getattr(self, name) for name in ("box", "zoom", "rate_hz", "vehicles")}
        return replace(view, **{name: value for name, value in asked.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Steer:
    """Go on from another moment, or at another speed; None: as it is."""

    seek_ms: int | None
    speed: float | None


@dataclass(frozen=True, slots=True)
class GoLive:
    """Back from the history."""


Command = Subscribe | Move | Resume | Unsubscribe | Renew | Play | Steer | GoLive


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
    rate_hz = _rate(said, most_rate_hz)
    return Subscribe(
        View(
            box=_box(said),
            zoom=_number(said.get("zoom", USUAL_ZOOM), "zoom", 0.0, MOST_ZOOM),
            rate_hz=most_rate_hz if rate_hz is None else rate_hz,
            vehicles=_vehicles(said.get("vehicles")),
            events=_flag(said, "events", usually=True),
            fences=_flag(said, "fences", usually=False),
            availability=_flag(said, "availability", usually=False),
        )
    )


def _rate(said: Mapping[str, Any], most_rate_hz: float) -> float | None:
    rate_hz = said.get("rate_hz")
    if rate_hz is None:
        return None
    # a hub may be set to less than the least rate
    return _number(rate_hz, "rate_hz", min(LEAST_RATE_HZ, most_rate_hz), most_rate_hz)


def _move(said: Mapping[str, Any], _most_rate_hz: float) -> Move:
    return Move(_box(said), _zoom(said))


def _zoom(said: Mapping[str, Any]) -> float | None:
    zoom = said.get("zoom")
    return None if zoom is None else _number(zoom, "zoom", 0.0, MOST_ZOOM)


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


def _playback(said: Mapping[str, Any], most_rate_hz: float) -> Play | Steer:
    if "at_ms" not in said:
        return _steer(said)
    if "seek_ms" in said:
        raise RequestError(
            "unknown_field", "at_ms begins a playback and seek_ms moves one; allowed is one", field="seek_ms"
        )
    at_ms, until_ms = _time(said["at_ms"], "at_ms"), said.get("until_ms")
    if until_ms is not None and _time(until_ms, "until_ms") < at_ms:
        raise RequestError(
            "out_of_range", f"until_ms is {until_ms}; allowed is at_ms, {at_ms}, or later", field="until_ms"
        )
    return Play(
        at_ms,
        until_ms,
        _speed(said.get("speed", 1.0)),
        _box(said) if "bbox" in said else None,
        _zoom(said),
        _rate(said, most_rate_hz),
        _vehicles(said.get("vehicles")),
    )


def _steer(said: Mapping[str, Any]) -> Steer:
    for name in said.keys() - {"type", "seek_ms", "speed"}:
        raise RequestError(
            "missing_field", f"at_ms is missing: {name} can be said at the begin only", field="at_ms"
        )
    seek_ms, speed = said.get("seek_ms"), said.get("speed")
    if seek_ms is None and speed is None:
        raise RequestError(
            "missing_field",
            "at_ms begins a playback, seek_ms or speed changes one; none is there",
            field="at_ms",
        )
    return Steer(
        None if seek_ms is None else _time(seek_ms, "seek_ms"), None if speed is None else _speed(speed)
    )


def _go_live(_said: Mapping[str, Any], _most_rate_hz: float) -> GoLive:
    return GoLive()


_COMMANDS: Mapping[str, tuple[Callable[[Mapping[str, Any], float], Command], frozenset[str]]] = {
    "subscribe": (
        _subscribe,
        frozenset({"bbox", "zoom", "rate_hz", "vehicles", "events", "fences", "availability"}),
    ),
    "move": (_move, frozenset({"bbox", "zoom"})),
    "resume": (_resume, frozenset({"epoch", "offset"})),
    "unsubscribe": (_unsubscribe, frozenset()),
    "token": (_renew, frozenset({"token"})),
    "playback": (
        _playback,
        frozenset({"at_ms", "until_ms", "speed", "bbox", "zoom", "rate_hz", "vehicles", "seek_ms"}),
    ),
    "live": (_go_live, frozenset()),
}


def _needed(said: Mapping[str, Any], name: str) -> Any:
    if name not in said:
        raise RequestError("missing_field", f"{name} is missing", field=name)
    return said[name]


def _flag(said: Mapping[str, Any], name: str, *, usually: bool) -> bool:
    value = said.get(name, usually)
    if not isinstance(value, bool):
        raise RequestError("wrong_type", f"{name} is {_shown(value)}; allowed are true and false", field=name)
    return value


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


def _time(value: Any, name: str) -> int:
    if type(value) is not int:
        raise RequestError(
            "wrong_type", f"{name} is {_shown(value)}; allowed are whole milliseconds since 1970", field=name
        )
    if not LEAST_MS <= value <= MOST_MS:
        raise RequestError(
            "out_of_range",
            f"{name} is {value}; allowed is {LEAST_MS} to {MOST_MS}, years 1 to 9999",
            field=name,
        )
    return value


def _speed(value: Any) -> float:
    speed = _number(value, "speed", 0.0, MOST_SPEED)
    if 0.0 < speed < LEAST_SPEED:
        raise RequestError(
            "out_of_range",
            f"speed is {speed:g}; allowed are 0 (pause) and {LEAST_SPEED:g} to {MOST_SPEED:g}",
            field="speed",
        )
    return speed


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
