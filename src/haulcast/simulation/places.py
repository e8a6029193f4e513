"""Where vehicles stop: depots, ports, and the docks of customers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SERVICE_S = {"depot": (600.0, 1500.0), "port": (600.0, 1800.0), "dock": (240.0, 900.0)}
"""Loading and unloading takes between so long and so long."""


@dataclass(frozen=True, slots=True)
class Places:
    """Nodes of a road network by what stands there."""

    depots: NDArray[np.int64]
    ports: NDArray[np.int64]
    docks: NDArray[np.int64]

    @property
    def nodes(self) -> NDArray[np.int64]:
        """All of them, in order."""
        return np.unique(np.concatenate([self.depots, self.ports, self.docks]))

    def only(self, nodes: NDArray[np.int64]) -> "Places":
        """Those among `nodes`; where no depot is among them, each is one."""
        depots, ports, docks = (kept[np.isin(kept, nodes)] for kept in (self.depots, self.ports, self.docks))
        return Places(depots if len(depots) else np.concatenate([ports, docks]), ports, docks)

    def service_s(self, nodes: int) -> NDArray[np.float64]:
        """Shortest and longest service at each of a network's nodes, shape (nodes, 2); none where nobody stops."""
        table = np.zeros((nodes, 2))
        for kind, at in (("dock", self.docks), ("port", self.ports), ("depot", self.depots)):
            table[at] = SERVICE_S[kind]
        return table
