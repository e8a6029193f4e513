"""A seeded fleet of trucks on stop-to-stop trips around San Francisco Bay, moved as arrays."""

from haulcast.simulation.fleet import Fixes, Fleet
from haulcast.simulation.road_network import RoadNetwork
from haulcast.simulation.roads_bay import bay_roads

__all__ = ["Fixes", "Fleet", "RoadNetwork", "bay_roads"]
