"""A track as a file, piece by piece: what every format has to do, and which formats there are."""

from typing import Protocol

from haulcast.reports.track_pieces import TrackPiece


class TrackEncoder(Protocol):
    """Writes one track. The texts of `head`, each `add` in order, and `tail` are the file."""

    media_type: str
    file_ending: str | None  # of a file to be saved; None: it is for programs

    def head(self) -> bytes:
        """What comes before the first piece."""

    def add(self, piece: TrackPiece) -> bytes:
        """The text of a piece; may be empty, and what is left comes later."""

    def tail(self) -> bytes:
        """What comes after the last piece."""
