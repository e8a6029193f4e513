"""Haulcast: a real-time fleet server for freight."""

__version__ = "0.1.0"
