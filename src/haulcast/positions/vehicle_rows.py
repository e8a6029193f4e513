"""Which row of the hub's state belongs to which vehicle, and which number stands for it on its fleet's maps."""

from array import array

import numpy as np
from numpy.typing import NDArray


class VehicleRows:
    """Numbers for names, given out once and never again while the hub runs.

    A vehicle has a hub-wide `row`, the index of all state arrays, and a `handle` that is dense within its fleet, so
    that what a fleet sees on the wire tells it nothing about others.
    """

    def __init__(self) -> None:
        self.fleet_names: list[str] = []
        self.vehicle_of: list[str] = []
        self._fleet_numbers: dict[str, int] = {}
        self._rows: dict[tuple[str, str], int] = {}
        self._rows_of_fleet: list[array[int]] = []
        self._fleet_number = np.empty(0, np.int32)
        self._handle = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self.vehicle_of)

    @property
    def fleet_number(self) -> NDArray[np.int32]:
        """The fleet's number of each row, int32; may be longer than there are rows."""
        return self._fleet_number

    @property
    def handle(self) -> NDArray[np.int32]:
        """The handle of each row, int32; may be longer than there are rows."""
        return self._handle

    def fleet_number_of(self, fleet: str) -> int:
        """The fleet's number; a new fleet gets the next one."""
        number = self._fleet_numbers.get(fleet)
        if number is None:
            number = self._fleet_numbers[fleet] = len(self.fleet_names)
            self.fleet_names.append(fleet)
            self._rows_of_fleet.append(array("i"))
        return number

    def fleet_of(self, row: int) -> str:
        """The name of the fleet that the row's vehicle belongs to."""
        return self.fleet_names[int(self._fleet_number[row])]

    def find(self, fleet: str, vehicle: str) -> int | None:
        """The vehicle's row, or None if it has none yet."""
        return self._rows.get((fleet, vehicle))

    def row_of(self, fleet: str, vehicle: str) -> int:
        """The vehicle's row; a new vehicle gets the next one."""
        row = self._rows.get((fleet, vehicle))
        if row is not None:
            return row
        row = self._rows[fleet, vehicle] = len(self.vehicle_of)
        number = self.fleet_number_of(fleet)
        rows = self._rows_of_fleet[number]
        if row >= len(self._handle):
            grown = max(64, 2 * row)
            self._fleet_number = np.resize(self._fleet_number, grown).astype(np.int32)
            self._handle = np.resize(self._handle, grown).astype(np.int32)
        self._fleet_number[row] = number
        self._handle[row] = len(rows)
        rows.append(row)
        self.vehicle_of.append(vehicle)
        return row

    def rows_of_fleet(self, fleet_number: int) -> NDArray[np.int32]:
        """The rows of a fleet's vehicles, int32; index = handle."""
        return np.array(self._rows_of_fleet[fleet_number], np.int32)
