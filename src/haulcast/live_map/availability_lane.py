"""Who will be free, to those who want to hear it: the newest of each vehicle, and no queue.

What was said of each vehicle is kept with a number that grows with each change; a reader is the number of the last change that it was told. A slow one hears only the newest of each.
"""

from collections.abc import Callable, Mapping

from haulcast.live_map.subscriber import Subscriber

AT_ONCE = 500
"""Vehicles in one frame."""

_HEAD, _TAIL = b'{"type":"availability","vehicles":[', b"]}"


class AvailabilityLane:
    """What is said of all fleets that are read, and who reads them.

    Args:
        on_full: called with a reader whose link takes no more; `pump` it when it does again.
    """

    def __init__(self, on_full: Callable[[Subscriber], None]) -> None:
        self._on_full = on_full
        self._changes = 0
        self._said: dict[int, dict[str, tuple[int, bytes]]] = {}  # in order of change
        self._readers: dict[int, dict[Subscriber, None]] = {}

    @property
    def fleets(self) -> set[str]:
        """Those that somebody reads."""
        return {reader.fleet for readers in self._readers.values() for reader in readers}

    def has_said(self, fleet_number: int) -> bool:
        """Whether anything is said of the fleet to those who read it now."""
        return fleet_number in self._said

    def take(self, fleet_number: int, bodies: Mapping[str, bytes]) -> None:
        """Say something else of some vehicles: a JSON object of each, empty of those that are gone. If nobody reads this fleet it is forgotten."""
        readers = self._readers.get(fleet_number)
        if not readers:
            return
        said = self._said.setdefault(fleet_number, {})
        for vehicle, body in bodies.items():
            self._changes += 1
            said.pop(vehicle, None)
            if body:
                said[vehicle] = (self._changes, body)
        for reader in tuple(readers):
            self.pump(reader)

    def read(self, reader: Subscriber) -> None:
        """From now on the reader hears of its fleet: all that is said now first."""
        reader.told_availability = 0
        self._readers.setdefault(reader.fleet_number, {})[reader] = None
        self.pump(reader)

    def stop(self, reader: Subscriber) -> None:
        """The reader hears no more."""
        readers = self._readers.get(reader.fleet_number, {})
        readers.pop(reader, None)
        if not readers:
            self._readers.pop(reader.fleet_number, None)
            self._said.pop(reader.fleet_number, None)

    def pump(self, reader: Subscriber) -> None:
        """Send what the reader's link takes of what it has not been told, what has changed first first."""
        view = reader.view
        if view is None or reader not in self._readers.get(reader.fleet_number, ()):
            return
        news: list[tuple[int, bytes]] = []
        for vehicle, (change, body) in reversed(self._said.get(reader.fleet_number, {}).items()):
            if change <= reader.told_availability:
                break
            if view.vehicles is None or vehicle in view.vehicles:
                news.append((change, body))
        news.reverse()
        for begin in range(0, len(news), AT_ONCE):
            if not reader.link.is_writable:
                self._on_full(reader)
                return
            part = news[begin : begin + AT_ONCE]
            reader.link.send_text(_HEAD + b",".join(body for _, body in part) + _TAIL)
            reader.told_availability = part[-1][0]
        reader.told_availability = max(reader.told_availability, self._newest(reader.fleet_number))

    def _newest(self, fleet_number: int) -> int:
        return next((change for change, _ in reversed(self._said.get(fleet_number, {}).values())), 0)
