"""One door to all formats: the name's ending chooses the reader."""

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO

from haulcast.errors import RequestError
from haulcast.recordings.cab_text import read_cab_text
from haulcast.recordings.csv_tracks import read_csv_tracks
from haulcast.recordings.gpx import read_gpx
from haulcast.recordings.recording import Recording

_OPENERS: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}
_READERS: dict[str, Callable[[IO[str], str, str], Recording]] = {
    ".csv": read_csv_tracks,
    ".gpx": read_gpx,
    ".txt": read_cab_text,
}


def read_recording(path: Path | str) -> Recording:
    """All fixes of a file, in its own order.

    Args:
        path: `*.csv` (header `time_s` or `time_ms`, `vehicle`, `lat`, `lon`, ...), `*.gpx` or `*.txt` (cabspotting:
            `lat lon occupied time_s`); each may be compressed (`.gz`, `.xz`). Without a vehicle in the file, its name is it.

    Raises:
        RequestError: a file that cannot be read as what its name says; names the file and the line.
    """
    path = Path(path)
    inner = path.with_suffix("") if path.suffix in _OPENERS else path
    reader = _READERS.get(inner.suffix.lower())
    if reader is None:
        raise RequestError(
            "unknown_format", f"{path}: known are {', '.join(_READERS)}, each also with .gz or .xz"
        )
    opener = _OPENERS.get(path.suffix, open)
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            recording = reader(lines, inner.stem, str(path))
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise RequestError("unreadable_file", f"{path} cannot be read: {error}") from error
    if not len(recording):
        raise RequestError("empty_recording", f"{path} holds no fix")
    return recording
