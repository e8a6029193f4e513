"""Bytes in: frames of devices, their sessions, and what they hear back."""
