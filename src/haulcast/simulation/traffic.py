"""How fast traffic flows on each class of road at each hour of the day, as a share of the limit.

Made by hand after a weekday around the Bay: free at night, a morning and a longer evening rush, bridges the worst of all, streets never
quite free by day. No measured figure stands behind it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

TIME_ZONE = ZoneInfo("America/Los_Angeles")

_HOURS = np.arange(25)
_SHARES = {  # of the road's limit at 0:00, 1:00, ... 23:00
    "H": [1, 1, 1, 1, 1, 0.98, 0.9, 0.7, 0.62, 0.75, 0.85, 0.88, 0.88, 0.86, 0.82, 0.7, 0.6, 0.55, 0.65, 0.82, 0.92, 0.97, 1, 1],
    "B": [1, 1, 1, 1, 1, 0.95, 0.8, 0.55, 0.5, 0.65, 0.8, 0.85, 0.85, 0.82, 0.75, 0.6, 0.5, 0.45, 0.58, 0.78, 0.9, 0.96, 1, 1],
    "S": [1, 1, 1, 1, 1, 0.97, 0.9, 0.8, 0.75, 0.8, 0.82, 0.8, 0.78, 0.8, 0.8, 0.75, 0.7, 0.68, 0.74, 0.82, 0.9, 0.95, 0.98, 1],
}  # fmt: skip
_BY_CLASS = [[*shares, shares[0]] for shares in _SHARES.values()]
SLOWEST_SHARE = min(min(shares) for shares in _SHARES.values())


def local_hour(time_ms: float) -> float:
    """The hour of the day around the Bay, 0 to 24, at a time in ms since 1970."""
    local = datetime.fromtimestamp(time_ms / 1000.0, TIME_ZONE)
    return local.hour + local.minute / 60.0 + local.second / 3600.0


def traffic_share(hour: float) -> NDArray[np.float64]:
    """The share of the limit at an hour of the day, for each of `ROAD_CLASSES`; straight from one full hour to the next."""
    return np.array([np.interp(hour, _HOURS, shares) for shares in _BY_CLASS])
