"""Where and when something is picked up, handed over or done."""

from dataclasses import dataclass

USUAL_RADIUS_M = 150.0


@dataclass(frozen=True, slots=True)
class StopPlace:
    """A place with a window in which service begins. Being there is a visit of a fence: of the one that is named, or of a circle around the place.

    Attributes:
        lat_deg, lon_deg: where; with a fence, where to drive to.
        name: for people.
        fence: id of the fence of the fleet whose visit is the arrival; empty: the circle.
        radius_m: of the circle.
        opens_ms, closes_ms: service begins at the earliest and the latest, UTC epoch; None: any time. Who is early waits.
        service_s: how long it takes.
    """

    lat_deg: float
    lon_deg: float
    name: str = ""
    fence: str = ""
    radius_m: float = USUAL_RADIUS_M
    opens_ms: int | None = None
    closes_ms: int | None = None
    service_s: float = 0.0
