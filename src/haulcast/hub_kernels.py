"""Every kernel that a hub calls, compiled or loaded before it says that it is ready."""

from geo import (
    availability,
    driven_legs,
    fence_match,
    fence_passes,
    fence_transitions,
    fix_text,
    late_fixes,
    load_chains,
    proximity,
    route_baselines,
    route_etas,
    route_growth,
    route_insertion,
    route_progress,
    route_search,
    route_times,
    span_weaving,
    track_filter,
    travel_time,
)
from haulcast.live_map import fan_out
from haulcast.reports import report_api

_MODULES = (
    fix_text,
    track_filter,
    fence_match,
    fence_transitions,
    late_fixes,
    fence_passes,
    proximity,
    route_search,
    route_baselines,
    travel_time,
    driven_legs,
    route_progress,
    route_etas,
    route_times,
    route_insertion,
    route_growth,
    load_chains,
    availability,
    span_weaving,
    fan_out,
    report_api,
)


def warm_up() -> None:
    """Compile them, or load them from the cache: seconds with a cache, a minute without."""
    for module in _MODULES:
        module.warm_up()
