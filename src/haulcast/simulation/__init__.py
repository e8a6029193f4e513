"""A seeded fleet on rounds around San Francisco Bay, moved as arrays, and a few offenders in it."""

from haulcast.simulation.fleet import Fixes, Fleet
from haulcast.simulation.offenders import with_offenders
from haulcast.simulation.places import Places
from haulcast.simulation.road_network import RoadNetwork
from haulcast.simulation.roads_bay import bay_places, bay_roads
from haulcast.simulation.roster import RosterEntry, make_roster

__all__ = [
    "Fixes",
    "Fleet",
    "Places",
    "RoadNetwork",
    "RosterEntry",
    "bay_places",
    "bay_roads",
    "make_roster",
    "with_offenders",
]
