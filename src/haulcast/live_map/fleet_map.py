"""What the subscribers of one fleet watch: its vehicles, and its clusters at each resolution that somebody looks at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from haulcast.live_map import clusters
from haulcast.live_map.audience import Audience, Member
from haulcast.live_map.freshness import Freshness
from haulcast.live_map.map_frames import CLUSTERS, VEHICLES, FramePress
from haulcast.live_map.picture import Picture
from haulcast.live_map.showing import OnTold, Sent, Showing
from haulcast.live_map.view import Box, View
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings

Seat = tuple[Showing, int]


@dataclass(frozen=True, slots=True)
class Stage:
    """What all maps of the hub have in common."""

    settings: Settings
    positions: LastPositions
    rows: VehicleRows
    on_full: Callable[[Member], None]  # a member's link takes no more
    freshness: Freshness
    press: FramePress = field(default_factory=FramePress)
    sent: Sent = field(default_factory=Sent)


class FleetMap:
    """Exists while somebody watches the fleet; made from the last positions, then kept up to date by `moved`."""

    def __init__(self, fleet_number: int, stage: Stage) -> None:
        self._fleet_number = fleet_number
        self._stage = stage
        self._hub_rows = stage.rows.rows_of_fleet(fleet_number)  # of the vehicles met so far; index = handle
        self._vehicles = self._show(Picture(VEHICLES, self._vehicle_name), on_told=self._on_told)
        self._clusters: dict[int, Showing] = {}
        # a vehicle that has just got its row may have no place in the positions yet
        hub_rows = self._hub_rows[self._hub_rows < len(stage.positions.is_known)]
        self._update(hub_rows[stage.positions.is_known[hub_rows]])

    def showings(self) -> Iterator[Showing]:
        """All that is watched."""
        yield self._vehicles
        yield from self._clusters.values()

    @property
    def is_watched(self) -> bool:
        """Whether anybody is left."""
        return any(len(showing.audience) for showing in self.showings())

    def moved(self, hub_rows: NDArray[np.int32]) -> None:
        """Vehicles of this fleet have a newer fix."""
        if len(hub_rows) and self._stage.rows.handle[hub_rows].max() >= len(self._hub_rows):
            self._meet_new_vehicles()
        self._update(hub_rows)
        self._wake()

    def forget(self, hub_row: int) -> None:
        """A vehicle is no longer on the map."""
        self._vehicles.picture.forget(int(self._stage.rows.handle[hub_row]))
        self._wake()

    def join(self, member: Member, view: View, *, is_binary: bool) -> Seat:
        """A seat where the view is shown; a snapshot follows with the next flush."""
        showing = self._showing_of(view)
        slot = showing.audience.join(
            member,
            is_binary=is_binary,
            box=_box_in(showing, view.box),
            interval_ms=1000.0 / view.rate_hz,
            vehicles=view.vehicles,
        )
        rows, fleet = self._stage.rows, self._stage.rows.fleet_names[self._fleet_number]
        for vehicle in view.vehicles or ():
            hub_row = rows.find(fleet, vehicle)
            if hub_row is not None:
                showing.audience.allow_member(slot, int(rows.handle[hub_row]))
        showing.wake_ms = 0.0
        return showing, slot

    def leave(self, seat: Seat) -> None:
        """Give the seat back; clusters that nobody looks at are no longer counted."""
        showing, slot = seat
        showing.audience.leave(slot)
        if showing is not self._vehicles and not len(showing.audience):
            del self._clusters[showing.picture.resolution]

    def move(self, seat: Seat, view: View) -> bool:
        """Show another box; false: the new view is shown elsewhere, so leave and join."""
        showing, slot = seat
        resolution = self._resolution_of(view)
        if showing is not (self._vehicles if resolution is None else self._clusters.get(resolution)):
            return False
        showing.audience.move(slot, _box_in(showing, view.box))
        showing.wake_ms = 0.0
        return True

    def _resolution_of(self, view: View) -> int | None:
        """Of the clusters that the view shows; None: it shows vehicles, as one of some vehicles always does."""
        is_far = view.zoom < self._stage.settings.cluster_below_zoom
        return clusters.resolution_at(view.zoom) if is_far and view.vehicles is None else None

    def _showing_of(self, view: View) -> Showing:
        resolution = self._resolution_of(view)
        if resolution is None:
            return self._vehicles
        if resolution not in self._clusters:
            interval_ms = 1000.0 / self._stage.settings.cluster_rate_hz
            counted = clusters.ClusterPicture(self._vehicles.picture, resolution, interval_ms)
            self._clusters[resolution] = self._show(counted.picture, counted.refresh)
        return self._clusters[resolution]

    def _show(
        self,
        picture: Picture,
        refresh: Callable[[int], float] | None = None,
        on_told: OnTold | None = None,
    ) -> Showing:
        stage = self._stage
        audience = Audience(move_interval_ms=1000.0 / stage.settings.view_rate_hz)
        return Showing(picture, audience, stage.press, stage.sent, stage.on_full, refresh, on_told)

    def _on_told(self, handles: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        self._stage.freshness.told(self._hub_rows[handles], times)

    def _update(self, hub_rows: NDArray[np.int32]) -> None:
        last = self._stage.positions
        columns = (last.lat_deg, last.lon_deg, last.time_ms, last.speed_mps, last.heading_deg)
        values = np.empty((len(columns), len(hub_rows)))
        for value, column in zip(values, columns, strict=True):
            value[:] = column[hub_rows]
        self._vehicles.picture.update(self._stage.rows.handle[hub_rows], values)

    def _meet_new_vehicles(self) -> None:
        """Ask those who see some vehicles only whether new ones are among them, before they are on the map."""
        met = len(self._hub_rows)
        self._hub_rows = self._stage.rows.rows_of_fleet(self._fleet_number)
        if self._vehicles.audience.has_filters:
            for handle in range(met, len(self._hub_rows)):
                self._vehicles.audience.allow(self._vehicle_name(handle), handle)

    def _vehicle_name(self, handle: int) -> str:
        return self._stage.rows.vehicle_of[int(self._hub_rows[handle])]

    def _wake(self) -> None:
        for showing in self.showings():
            showing.wake_ms = 0.0


def _box_in(showing: Showing, box: Box) -> Box:
    if showing.picture.kind is CLUSTERS:
        return clusters.grown_box(box, showing.picture.resolution)
    return box
