"""The table behind a map and how far back its log reaches."""

import numpy as np

from haulcast.live_map import picture
from haulcast.live_map.map_frames import VEHICLES
from haulcast.live_map.picture import LAT, Picture


def test_the_log_has_every_change_it_says_it_has(monkeypatch):
    """Undoing the log from now back to any version it reaches gives the positions of that version."""
    monkeypatch.setattr(picture, "LOG_LEAST", 16)
    rng, table, history = np.random.default_rng(0), Picture(VEHICLES, str), [np.empty(0)]
    floors = set()
    for step in range(120):
        rows = rng.permutation(1 + step // 3)[: rng.integers(1, 12)].astype(np.int32)
        table.update(rows, rng.random((5, len(rows))))
        history.append(table.values[LAT, : table.size].copy())
        log = table.log
        assert (np.diff(log.tick) >= 0).all()
        for since in range(len(history)):
            if not table.reaches(np.array([since]))[0]:
                continue
            then = table.values[LAT, : table.size].copy()
            for i in np.flatnonzero(log.tick > since)[::-1]:
                then[log.row[i]] = log.lat_deg[i]
            np.testing.assert_array_equal(then[: len(history[since])], history[since])
            assert np.isnan(then[len(history[since]) :]).all()
        floors.add(table._log_floor)
    assert len(floors) > 3
    assert table.reaches(np.array([table.version - 5]))[0]


def test_changed_after_names_rows_once():
    """The rows that changed after a version, each once, also ones that were forgotten; forgetting twice changes nothing."""
    table = Picture(VEHICLES, str)
    for rows in ([0, 1, 2], [1], [1, 4]):
        table.update(np.array(rows, np.int32), np.ones((5, len(rows))))
    assert table.changed_after(1).tolist() == [1, 4]
    table.forget(0)
    table.forget(0)
    table.forget(3)
    table.forget(99)
    assert table.changed_after(3).tolist() == [0]
    assert table.version == 4
    table.update(np.zeros(0, np.int32), np.ones((5, 0)))
    assert table.version == 4
