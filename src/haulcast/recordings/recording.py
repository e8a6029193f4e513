"""A recorded track of many vehicles as equal-length columns, in the order of the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

OPTIONAL = ("speed_mps", "heading_deg", "altitude_m")
"""Columns that a format may lack; NaN where unknown."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Fixes as columns of one length n.

    | column | dtype | meaning |
    |---|---|---|
    | vehicle | int32 | index into `vehicles` |
    | time_ms | int64 | the fix's own time, ms since 1970 UTC |
    | lat_deg, lon_deg | float64 | WGS 84 |
    | optional[name] | float64 | for the names in `OPTIONAL` that the file has |
    | attributes[name] | any | what else it has, such as `occupied` (bool) |
    """

    vehicles: list[str]
    vehicle: NDArray[np.int32]
    time_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    optional: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.time_ms)

    @property
    def span_ms(self) -> int:
        """Time from the oldest to the newest fix."""
        return int(self.time_ms.max() - self.time_ms.min()) if len(self) else 0

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Recording":
        """The fixes at `index` (or where it is true), with the same vehicles."""
        return replace(
            self,
            vehicle=self.vehicle[index],
            time_ms=self.time_ms[index],
            lat_deg=self.lat_deg[index],
            lon_deg=self.lon_deg[index],
            optional={name: column[index] for name, column in self.optional.items()},
            attributes={name: column[index] for name, column in self.attributes.items()},
        )

    def only(self, pattern: str) -> "Recording":
        """The fixes of the vehicles whose name matches a shell pattern, such as `truck-*`."""
        kept = [i for i, name in enumerate(self.vehicles) if fnmatchcase(name, pattern)]
        renumbered = np.full(len(self.vehicles), -1, np.int32)
        renumbered[kept] = np.arange(len(kept), dtype=np.int32)
        fixes = self.take(renumbered[self.vehicle] >= 0)
        return replace(fixes, vehicles=[self.vehicles[i] for i in kept], vehicle=renumbered[fixes.vehicle])


def concatenate(recordings: Sequence[Recording]) -> Recording:
    """One recording of all, one after the other; vehicles of the same name are the same vehicle."""
    if len(recordings) == 1:
        return recordings[0]
    place: dict[str, int] = {}
    vehicle = [
        np.array([place.setdefault(name, len(place)) for name in one.vehicles], np.int32)[one.vehicle]
        for one in recordings
    ]
    optional = {name for one in recordings for name in one.optional}
    # an attribute that one file lacks would have to be made up for its fixes
    shared = set.intersection(*(set(one.attributes) for one in recordings))
    unknown = [np.full(len(one), np.nan) for one in recordings]
    return Recording(
        vehicles=list(place),
        vehicle=np.concatenate(vehicle),
        time_ms=np.concatenate([one.time_ms for one in recordings]),
        lat_deg=np.concatenate([one.lat_deg for one in recordings]),
        lon_deg=np.concatenate([one.lon_deg for one in recordings]),
        optional={
            name: np.concatenate(
                [one.optional.get(name, nan) for one, nan in zip(recordings, unknown, strict=True)]
            )
            for name in sorted(optional)
        },
        attributes={
            name: np.concatenate([one.attributes[name] for one in recordings]) for name in sorted(shared)
        },
    )
