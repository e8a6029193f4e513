"""One connection of a map client, as the fan-out knows it."""

from dataclasses import dataclass, field

from haulcast.doors.socket_session import Link
from haulcast.live_map.view import View


@dataclass(slots=True, eq=False)
class Subscriber:
    """Who is connected, what it sees, and which fence event it has got last."""

    link: Link
    fleet: str
    fleet_number: int
    is_binary: bool
    shared: frozenset[str] | None = (
        None  # the vehicles of a shared view: no other is ever named; None: all of the fleet
    )
    view: View | None = None
    offset: int | None = (
        None  # of the last event it was sent or does not want; None: it has not asked for events
    )
    told_availability: int = 0  # the newest change of anybody's availability that it was told
    owed_notices: list[bytes] = field(default_factory=list)  # of edits that came while its link took no more
    owed_newest: dict[str, bytes] = field(
        default_factory=dict
    )  # by id, the newest of each that it has not been told
