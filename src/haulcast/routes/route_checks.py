"""Whether a route can be driven as it stands: its loads are there, nowhere else, and picked up before they are handed over.

The kernels judge times and room; here it is what would make no sense at any time.
"""

from collections.abc import Callable

from haulcast.errors import ConflictError, RequestError
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStop, StopKind, StopState

LoadOf = Callable[[str], Load | None]
"""A load by id, unless it is over."""


def check_route(route: Route, load_of: LoadOf) -> None:
    """Look at the stops ahead.

    Raises:
        RequestError: two stops of one id, a load that is not there, or stops in an order that cannot be.
        ConflictError: a load is where the route cannot have it from.
    """
    seen: set[str] = set()
    for stop in route.stops:
        if stop.stop_id in seen:
            raise _wrong("bad_stops", stop, "is there twice; each id of a route is of one stop")
        seen.add(stop.stop_id)
    on_board = {
        stop.load for stop in route.stops if stop.kind is StopKind.PICKUP and stop.state is StopState.DONE
    }
    handed_over: set[str] = set()
    for stop in route.ahead:
        if stop.kind is StopKind.STOP:
            if stop.load:
                raise _wrong("unused_field", stop, "is of kind 'stop', which has no load")
            continue
        load = load_of(stop.load) if stop.load else None
        if load is None:
            raise _wrong("no_such_load", stop, f"names the load {stop.load!r}, which is not there or is over")
        if stop.kind is StopKind.PICKUP:
            _check_pickup(stop, load, on_board)
        else:
            _check_delivery(route, stop, load, on_board, handed_over)
    _check_handed_over(route, handed_over, load_of)


def _check_pickup(stop: RouteStop, load: Load, on_board: set[str]) -> None:
    if load.pickup is None:
        raise _wrong("bad_stops", stop, f"picks up the load {load.load_id!r}, which has no pickup")
    if load.load_id in on_board or load.status is LoadStatus.ON_BOARD:
        reason = f"stop {stop.stop_id!r} picks up the load {load.load_id!r}, which is on board already"
        raise ConflictError("load_on_board", reason, field="stops")
    on_board.add(load.load_id)


def _check_delivery(
    route: Route, stop: RouteStop, load: Load, on_board: set[str], handed_over: set[str]
) -> None:
    if load.delivery is None:
        raise _wrong("bad_stops", stop, f"delivers the load {load.load_id!r}, which has no delivery")
    if load.load_id in handed_over:
        raise _wrong("bad_stops", stop, f"delivers the load {load.load_id!r} a second time")
    handed_over.add(load.load_id)
    if load.pickup is None or load.load_id in on_board:
        return
    if load.status is LoadStatus.ON_BOARD:
        if load.vehicle == route.vehicle:
            return
        reason = (
            f"stop {stop.stop_id!r} delivers the load {load.load_id!r}, which is on board of {load.vehicle!r}"
        )
        raise ConflictError("load_on_board", reason, field="stops")
    raise _wrong("bad_stops", stop, f"delivers the load {load.load_id!r}, which no stop before picks up")


def _check_handed_over(route: Route, handed_over: set[str], load_of: LoadOf) -> None:
    for stop in route.ahead:
        load = load_of(stop.load)
        if (
            stop.kind is StopKind.PICKUP
            and load is not None
            and load.delivery is not None
            and load.load_id not in handed_over
        ):
            raise _wrong("bad_stops", stop, f"picks up the load {load.load_id!r}, which no stop after it delivers")  # fmt: skip


def _wrong(code: str, stop: RouteStop, what: str) -> RequestError:
    return RequestError(code, f"stop {stop.stop_id!r} {what}", field="stops")
