"""When each recorded fix is sent, and how the recording is moved to the present."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from haulcast.recordings.recording import Recording


def send_offsets_ms(recording: Recording, speed: float) -> NDArray[np.float64]:
    """When each fix is sent, ms after the start, float64 of the recording's length.

    A vehicle recorded oldest first is played forwards, one recorded newest first backwards; a fix out of order within its
    vehicle is sent right after the one before it, so each vehicle keeps the file's own order.

    Args:
        recording: the fixes.
        speed: recorded time over real time; 0: everything at once.
    """
    if speed == 0 or not len(recording):
        return np.zeros(len(recording))
    time_ms = recording.time_ms.astype(np.float64)
    since_oldest, until_newest = time_ms - time_ms.min(), time_ms.max() - time_ms
    offsets = np.empty(len(recording))
    by_vehicle = np.argsort(recording.vehicle, kind="stable")
    starts = np.flatnonzero(np.diff(recording.vehicle[by_vehicle])) + 1
    for rows in np.split(by_vehicle, starts):
        is_backwards = time_ms[rows[-1]] < time_ms[rows[0]]
        own = (until_newest if is_backwards else since_oldest)[rows]
        offsets[rows] = np.maximum.accumulate(own) / speed
    return offsets


def shifted(recording: Recording, now_ms: int, send_ms: NDArray[np.float64] | None = None) -> Recording:
    """The recording moved as a whole, spacing kept, as late as it may be with no fix in the future when it is sent.

    Args:
        recording: the fixes.
        now_ms: when the sending starts.
        send_ms: `send_offsets_ms`; None: everything at once.
    """
    if not len(recording):
        return recording
    sent_ms = now_ms + (np.zeros(len(recording)) if send_ms is None else send_ms)
    shift_ms = int(np.floor((sent_ms - recording.time_ms).min()))
    return replace(recording, time_ms=recording.time_ms + shift_ms)
