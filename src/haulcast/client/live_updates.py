"""What a `LiveClient` yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Bbox = tuple[float, float, float, float]
"""West, south, east, north, degrees; west > east crosses the antimeridian."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection came up or was lost; while it is down the client comes back by itself and the view is stale."""

    is_up: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Positions:
    """Newest fixes as columns of one length; a snapshot replaces everything that was there."""

    is_snapshot: bool
    time_ms: int  # when the hub sent it
    number: NDArray[np.int64]  # the vehicle's number on the wire
    vehicle: list[str]
    fix_time_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_mps: NDArray[np.float64]  # NaN: unknown
    heading_deg: NDArray[np.float64]  # NaN: unknown
    gone: list[str] = field(default_factory=list)  # left the view


@dataclass(frozen=True, slots=True)
class Clusters:
    """H3 aggregates as columns of one length, in place of vehicles at low zoom."""

    is_snapshot: bool
    time_ms: int
    resolution: int
    cell: list[str]  # H3 index, hexadecimal
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    count: NDArray[np.int64]
    speed_mps: NDArray[np.float64]  # mean; NaN: unknown
    gone: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a fence or a rule; `offset` numbers the fleet's events within `epoch`. What it does not say is None, or empty."""

    epoch: str
    offset: int
    event: str  # enter, exit, dwell, ..., as in docs/protocol.md
    cause: str
    visit: int | None
    vehicle: str
    fence: str
    name: str
    time_ms: int
    lat_deg: float
    lon_deg: float
    fix_time_ms: int
    entered_ms: int | None  # when the visit began; of an enter that is `time_ms`
    fields: Mapping[str, object]  # the whole message
    left_ms: int | None = None  # of corrected; None: the visit lasts
    rule: str | None = None  # None: a fact, of no rule
    rule_name: str | None = None
    other: str | None = None  # the other vehicle of near and apart
    speed_mps: float | None = None
    distance_m: float | None = None
    event_id: str = ""  # the event's own, for ever: the same when it comes again, and in REST


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event of the history that is played, when its time comes; it has no place among the live ones: `epoch` is empty, `offset` 0."""

    event: Event


@dataclass(frozen=True, slots=True)
class EventGap:
    """Events after `since_offset` of `epoch` may have been missed; what follows goes on from now."""

    epoch: str
    since_offset: int


@dataclass(frozen=True, slots=True)
class LiveError:
    """The hub refused a command."""

    code: str
    reason: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class PlaybackTime:
    """Which moment of the history is shown; until `stopped` everything else that comes is of the past too."""

    time_ms: int
    speed: float
    state: str  # waiting, playing, paused, ended, stopped


LiveUpdate = Connection | Positions | Clusters | Event | PastEvent | EventGap | LiveError | PlaybackTime
