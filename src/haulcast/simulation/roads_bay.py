"""The roads of the simulation: cities, ports and bridges around San Francisco Bay, placed by hand to about 300 m.

Edges are straight from node to node, with nodes on land wherever a straight line would cross water, so that only bridges
(B) run over the Bay. H is a highway, S a street.
"""

from haulcast.simulation.places import Places
from haulcast.simulation.road_network import RoadNetwork, road_network

_NODES: dict[str, tuple[float, float]] = {  # latitude, longitude
    "sf_downtown": (37.7880, -122.4010),
    "sf_bridgehead": (37.7868, -122.3905),
    "sf_central": (37.7695, -122.4054),
    "sf_pier_80": (37.7500, -122.3875),
    "sf_bayshore": (37.7330, -122.4060),
    "sf_presidio": (37.8020, -122.4560),
    "golden_gate_south": (37.8085, -122.4765),
    "golden_gate_north": (37.8330, -122.4800),
    "marin_city": (37.8690, -122.5080),
    "corte_madera": (37.9250, -122.5150),
    "san_rafael": (37.9690, -122.5250),
    "san_quentin": (37.9440, -122.4850),
    "richmond_bridgehead": (37.9340, -122.4050),
    "richmond": (37.9370, -122.3600),
    "pinole": (37.9990, -122.2880),
    "carquinez_south": (38.0570, -122.2250),
    "carquinez_north": (38.0680, -122.2310),
    "vallejo": (38.1040, -122.2450),
    "benicia": (38.0590, -122.1400),
    "benicia_bridge_north": (38.0480, -122.1240),
    "benicia_bridge_south": (38.0330, -122.1170),
    "concord": (37.9780, -122.0450),
    "walnut_creek": (37.9000, -122.0640),
    "dublin": (37.7010, -121.9230),
    "livermore": (37.6980, -121.7750),
    "caldecott": (37.8580, -122.2120),
    "berkeley": (37.8650, -122.3010),
    "maze": (37.8275, -122.2900),
    "bay_bridge_east": (37.8235, -122.3150),
    "yerba_buena": (37.8110, -122.3640),
    "port_of_oakland": (37.7990, -122.2990),
    "oakland": (37.8044, -122.2712),
    "coliseum": (37.7520, -122.2010),
    "oakland_airport": (37.7180, -122.2080),
    "san_leandro": (37.7000, -122.1500),
    "hayward": (37.6400, -122.0980),
    "san_mateo_bridge_east": (37.6270, -122.1300),
    "foster_city": (37.5620, -122.2800),
    "fremont": (37.5500, -121.9880),
    "newark": (37.5290, -122.0550),
    "dumbarton_east": (37.5150, -122.0850),
    "dumbarton_west": (37.4880, -122.1400),
    "milpitas": (37.4250, -121.9080),
    "san_jose": (37.3382, -121.8863),
    "san_jose_airport": (37.3690, -121.9200),
    "sunnyvale": (37.3850, -122.0100),
    "palo_alto": (37.4500, -122.1260),
    "redwood_city": (37.4900, -122.2150),
    "port_of_redwood": (37.5060, -122.2110),
    "san_mateo": (37.5650, -122.3050),
    "burlingame": (37.5900, -122.3600),
    "sf_airport": (37.6180, -122.3930),
    "south_san_francisco": (37.6520, -122.4080),
    "brisbane": (37.6900, -122.4020),
    "daly_city": (37.6880, -122.4700),
}

_EDGES = """
sf_downtown sf_bridgehead S | sf_downtown sf_central S | sf_bridgehead sf_central H | sf_central sf_pier_80 S
sf_central sf_bayshore H | sf_pier_80 sf_bayshore S | sf_downtown sf_presidio S | sf_presidio golden_gate_south H
golden_gate_south golden_gate_north B | golden_gate_north marin_city H | marin_city corte_madera H
corte_madera san_rafael H | san_rafael san_quentin H | san_quentin richmond_bridgehead B
richmond_bridgehead richmond H | richmond berkeley H | richmond pinole H | pinole carquinez_south H
carquinez_south carquinez_north B | carquinez_north vallejo H | vallejo benicia H | benicia benicia_bridge_north S
benicia_bridge_north benicia_bridge_south B | benicia_bridge_south concord H | concord walnut_creek H
walnut_creek caldecott H | walnut_creek dublin H | dublin livermore H | dublin san_leandro H | caldecott oakland H
berkeley maze H | maze bay_bridge_east H | bay_bridge_east yerba_buena B | yerba_buena sf_bridgehead B
maze oakland H | maze port_of_oakland S | port_of_oakland oakland S | oakland coliseum H | coliseum oakland_airport S
coliseum san_leandro H | san_leandro hayward H | hayward san_mateo_bridge_east H | san_mateo_bridge_east foster_city B
foster_city san_mateo H | hayward fremont H | fremont newark H | newark dumbarton_east H
dumbarton_east dumbarton_west B | dumbarton_west palo_alto H | fremont milpitas H | milpitas san_jose_airport H
san_jose_airport san_jose S | san_jose_airport sunnyvale H | sunnyvale palo_alto H | palo_alto redwood_city H
redwood_city port_of_redwood S | redwood_city san_mateo H | san_mateo burlingame H | burlingame sf_airport H
sf_airport south_san_francisco H | south_san_francisco brisbane H | brisbane sf_bayshore H
daly_city south_san_francisco H | daly_city sf_bayshore H
"""


def bay_roads() -> RoadNetwork:
    """The network, with the shortest ways between all nodes."""
    edges = [line.split() for row in _EDGES.strip().splitlines() for line in row.split("|")]
    return road_network(_NODES, [(a, b, kind) for a, b, kind in edges])


_DEPOTS = ["livermore", "concord", "fremont", "vallejo", "san_rafael", "milpitas", "south_san_francisco"]
_PORTS = ["port_of_oakland", "port_of_redwood", "sf_pier_80", "oakland_airport"]
_DOCKS = [
    "sf_downtown", "sf_central", "sf_bayshore", "sf_presidio", "marin_city", "corte_madera", "richmond", "pinole", "benicia",
    "walnut_creek", "dublin", "berkeley", "oakland", "coliseum", "san_leandro", "hayward", "foster_city", "newark", "san_jose",
    "san_jose_airport", "sunnyvale", "palo_alto", "redwood_city", "san_mateo", "burlingame", "sf_airport", "brisbane", "daly_city",
]  # fmt: skip


def bay_places(roads: RoadNetwork) -> Places:
    """What stands where; the nodes that are left are bridgeheads and junctions, where nobody stops."""
    return Places(roads.nodes_of(_DEPOTS), roads.nodes_of(_PORTS), roads.nodes_of(_DOCKS))
