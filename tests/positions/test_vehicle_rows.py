"""Names get numbers once, and fleets do not see each other's."""

from hypothesis import given
from hypothesis import strategies as st

from haulcast.positions.vehicle_rows import VehicleRows


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100).map(str)), max_size=300))
def test_rows_and_handles_are_dense_and_lasting(names):
    """Rows count up over all, handles count up within a fleet, and the same name always gets the same."""
    rows = VehicleRows()
    given_out = {name: rows.row_of(*name) for name in names}
    assert sorted(given_out.values()) == list(range(len(given_out)))
    assert {name: rows.row_of(*name) for name in names} == given_out
    for fleet in {name[0] for name in names}:
        number = rows.fleet_number_of(fleet)
        mine = sorted(row for name, row in given_out.items() if name[0] == fleet)
        assert rows.rows_of_fleet(number).tolist() == mine
        assert rows.handle[mine].tolist() == list(range(len(mine)))
        assert {rows.fleet_of(row) for row in mine} == {fleet}
    assert all(rows.vehicle_of[row] == name[1] for name, row in given_out.items())


def test_finding_makes_nothing():
    """`find` does not give out rows."""
    rows = VehicleRows()
    assert rows.find("a", "b") is None
    assert len(rows) == 0
