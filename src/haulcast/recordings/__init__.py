"""Readers of recorded tracks: CSV, GPX and the original cabspotting text, all to one `Recording` of columns."""

from haulcast.recordings.read import read_recording
from haulcast.recordings.recording import Recording, concatenate
from haulcast.recordings.timing import send_offsets_ms, shifted

__all__ = ["Recording", "concatenate", "read_recording", "send_offsets_ms", "shifted"]
