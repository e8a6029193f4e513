"""What a subscriber sees now: names and the newest of each vehicle or cluster. No I/O."""

from typing import NamedTuple

from haulcast.client.live_frames import MapFrame
from haulcast.client.live_updates import Clusters, Positions
from haulcast.doors import wire


class Vehicle(NamedTuple):
    """The newest fix of a vehicle in view; NaN where unknown."""

    fix_time_ms: int
    lat_deg: float
    lon_deg: float
    speed_mps: float
    heading_deg: float


class Cluster(NamedTuple):
    """The vehicles of one H3 cell in view."""

    lat_deg: float
    lon_deg: float
    vehicles: int
    speed_mps: float


class LiveView:
    """Applies map frames; either `vehicles` or `clusters` is in use, by zoom."""

    def __init__(self) -> None:
        self.vehicles: dict[str, Vehicle] = {}
        self.clusters: dict[str, Cluster] = {}
        self._names: dict[int, dict[int, str]] = {}

    def forget_names(self) -> None:
        """A new connection numbers its vehicles anew. What is in view stays, stale, until the snapshot."""
        self._names = {wire.KIND_POSITIONS: {}, wire.KIND_CLUSTERS: {}}

    def name(self, frame: MapFrame) -> Positions | Clusters:
        """The frame with names for its numbers; call it in the order of arrival."""
        names = self._names.setdefault(frame.kind, {})
        names.update(frame.names)
        called = [names.get(number, f"#{number}") for number in frame.numbers.tolist()]
        gone = [names.get(number, f"#{number}") for number in frame.gone]
        columns = frame.columns
        if frame.kind == wire.KIND_CLUSTERS:
            return Clusters(
                frame.is_snapshot, frame.time_ms, frame.resolution, called, columns["lat"], columns["lon"],
                columns["count"], columns["speed_mps"], gone,
            )  # fmt: skip
        return Positions(
            frame.is_snapshot, frame.time_ms, frame.numbers, called, columns["fix_time_ms"], columns["lat"],
            columns["lon"], columns["speed_mps"], columns["heading_deg"], gone,
        )  # fmt: skip

    def apply(self, update: Positions | Clusters) -> None:
        """Bring `vehicles` or `clusters` up to this update."""
        if update.is_snapshot:
            self.vehicles.clear()
            self.clusters.clear()
        if isinstance(update, Positions):
            fixes = (
                update.fix_time_ms.tolist(),
                update.lat_deg.tolist(),
                update.lon_deg.tolist(),
                update.speed_mps.tolist(),
                update.heading_deg.tolist(),
            )
            self.vehicles.update(
                zip(update.vehicle, map(Vehicle._make, zip(*fixes, strict=True)), strict=True)
            )
            for name in update.gone:
                self.vehicles.pop(name, None)
        else:
            cells = (
                update.lat_deg.tolist(),
                update.lon_deg.tolist(),
                update.count.tolist(),
                update.speed_mps.tolist(),
            )
            self.clusters.update(zip(update.cell, map(Cluster._make, zip(*cells, strict=True)), strict=True))
            for name in update.gone:
                self.clusters.pop(name, None)
