"""The tags of every vehicle in memory, for those who select vehicles by them on every fix."""

from collections.abc import Callable, Collection


class VehicleTags:
    """Tags by fleet and vehicle; a vehicle without tags takes no room.

    Args:
        on_change: called with the (fleet, vehicle) whose tags are other ones now, in whatever order.
    """

    def __init__(self, on_change: Callable[[str, str], None] = lambda _fleet, _vehicle: None) -> None:
        self._on_change = on_change
        self._of_fleet: dict[str, dict[str, tuple[str, ...]]] = {}

    def tags_of(self, fleet: str, vehicle: str) -> tuple[str, ...]:
        """The vehicle's tags; none of one that nobody has said anything about."""
        return self._of_fleet.get(fleet, {}).get(vehicle, ())

    def put(self, fleet: str, vehicle: str, tags: tuple[str, ...]) -> None:
        """From now on these are the vehicle's tags; without any it is forgotten."""
        before = self.tags_of(fleet, vehicle)
        if tags:
            self._of_fleet.setdefault(fleet, {})[vehicle] = tags
        elif before:
            own = self._of_fleet[fleet]
            del own[vehicle]
            if not own:
                del self._of_fleet[fleet]
        if set(tags) != set(before):
            self._on_change(fleet, vehicle)

    def keep_only(self, fleet: str, vehicles: Collection[str]) -> None:
        """A fleet's other vehicles have no tags."""
        for vehicle in self._of_fleet.get(fleet, {}).keys() - vehicles:
            self.put(fleet, vehicle, ())
