"""A fleet with habits as stored spans and as CSV files, and models that are made in no time."""

from pathlib import Path

import numpy as np

from geo.availability import NAMES, trees_of
from haulcast.availability.learning import PLAIN, AvailabilityModel, Calibration, Model
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan

DAY_MS = 86_400_000
BEGIN_MS = 20_000 * DAY_MS
DRIVERS, DAYS = 30, 10
CARD = {"options": {"origin": [37.8, -122.4], "zone_s": -28_800.0}}


def habits(drivers: int = DRIVERS, days: int = DAYS, begin_ms: int = BEGIN_MS) -> list[StoredSpan]:
    """Everybody has a shift of their own hour each day, a little late or early, and work for half of each hour."""
    random, spans = np.random.default_rng(5), []
    for driver in range(drivers):
        usual_ms = random.uniform(0, 16) * 3_600_000
        place = (37.8 + driver / 100, -122.4, 37.9, -122.4)
        for day in range(days):
            on_ms = int(begin_ms + day * DAY_MS + usual_ms + random.normal(0, 600_000))
            off_ms = int(on_ms + 25_200_000 + random.normal(0, 600_000))
            spans.append(StoredSpan(f"v{driver:02}", DUTY, on_ms, off_ms, *place))
            for job_ms in range(on_ms, off_ms - 3_600_000, 3_600_000):
                spans.append(StoredSpan(f"v{driver:02}", BUSY, job_ms, job_ms + 1_800_000, *place))
    return spans


def write_span_files(folder: Path, spans: list[StoredSpan]) -> tuple[Path, Path]:
    """Sessions and trips, in the form of the files that are read."""
    files = []
    for kind, name, begin, end in ((DUTY, "sessions", "on", "off"), (BUSY, "trips", "start", "end")):
        lines = [f"vehicle,{begin}_ts,{end}_ts,km,{begin}_lat,{begin}_lon,{end}_lat,{end}_lon"]
        lines += [
            f"{span.vehicle},{span.begin_ms / 1000},{span.end_ms / 1000},1.5,{','.join(map(str, span[4:8]))}"
            for span in spans
            if span.kind == kind
        ]
        files.append(folder / f"{name}.csv")
        files[-1].write_text("\n".join(lines) + "\n")
    return files[0], files[1]


def stump(below: float, above: float) -> AvailabilityModel:
    """Log odds of being on duty up to an hour ahead, and further; and half of those free."""
    leaves = {"left_child": {"leaf_value": below}, "right_child": {"leaf_value": above}}
    split = {
        "split_feature": NAMES.index("horizon_min"),
        "threshold": 60.0,
        "decision_type": "<=",
        "missing_type": "NaN",
        "default_left": True,
        **leaves,
    }
    calibration = Calibration(np.array([15.0, 60.0]), np.array([[1.0, 1.0, 0.1], [1.1, 0.9, 0.0]]))
    halves = trees_of({"tree_info": [{"tree_structure": {"leaf_value": 0.0}}]})
    on_duty = trees_of({"tree_info": [{"tree_structure": split}]})
    return AvailabilityModel(Model(on_duty, calibration), Model(halves, PLAIN))


def rows_of(horizons_min: tuple[float, ...] = (10.0, 60.0, 61.0, 480.0)) -> np.ndarray:
    """Feature rows of which nothing but the horizon is known."""
    rows = np.full((len(horizons_min), len(NAMES)), np.nan, np.float32)
    rows[:, NAMES.index("horizon_min")] = horizons_min
    return rows
