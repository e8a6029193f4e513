"""What one step has to say of routes, gathered event by event."""

from typing import Any

import numpy as np

from geo.fence_events import COLUMNS, NONE, FenceEvents, fence_events, no_events


class RouteTelling:
    """Events of a step. There are few: each is an object until `events`."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []

    def tell(self, **columns: Any) -> None:
        """One event; what is not named is NONE, `value` NaN."""
        self._told.append(columns)

    def events(self) -> FenceEvents:
        """All of them, in order of time, and as they were told at one."""
        if not self._told:
            return no_events()
        told = sorted(self._told, key=lambda event: int(event["time_ms"]))
        named = {name: [event.get(name, _unknown(name)) for event in told] for name in COLUMNS}
        return fence_events(**{name: np.array(values) for name, values in named.items()})


def _unknown(name: str) -> float:
    return np.nan if name == "value" else NONE
