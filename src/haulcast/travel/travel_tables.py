"""Learned travel times as bytes, for stores: an npz without pickles."""

import io
from dataclasses import asdict, fields
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from geo.travel_time import WEEK_HOURS, TravelLimits, TravelTimes


class TravelTableError(ValueError):
    """Bytes that are no travel times of ours."""


def table_bytes(times: TravelTimes) -> bytes:
    """A table, compressed."""
    file = io.BytesIO()
    limits = {f"limit_{name}": np.array(value) for name, value in asdict(times.limits).items()}
    np.savez_compressed(
        file, allow_pickle=False, cells=times.cells, parent=times.parent, speed_mps=times.speed_mps,
        circuity=np.array(times.circuity), **limits,
    )  # fmt: skip
    return file.getvalue()


def read_table(data: bytes) -> TravelTimes:
    """The table that was written.

    Raises:
        TravelTableError: it is none, or one with other limits than this version knows.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            limits = TravelLimits(**{f.name: found[f"limit_{f.name}"].item() for f in fields(TravelLimits)})
            times = TravelTimes(
                found["cells"], found["parent"], found["speed_mps"], found["circuity"].item(), limits
            )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise TravelTableError(f"no travel times: {error}") from error
    _check(times)
    return times


def _check(times: TravelTimes) -> None:
    """Whatever the kernels index or divide by is what they take it for."""
    rows = len(times.parent)
    speed = times.speed_mps
    is_right = (
        _is(times.cells, np.int64, (rows - 1,))
        and _is(times.parent, np.int32, (rows,))
        and _is(speed, np.float32, (rows, WEEK_HOURS))
        and bool((np.diff(times.cells) > 0).all())
        and bool(((times.parent >= 0) & (times.parent < rows)).all())
        and bool((np.isfinite(speed) & (speed > 0)).all())
        and 1.0 <= times.circuity < np.inf
    )
    if not is_right:
        raise TravelTableError("the columns of the travel times do not fit together")


def _is(column: NDArray[np.generic], dtype: type, shape: tuple[int, ...]) -> bool:
    return column.dtype == dtype and column.shape == shape
