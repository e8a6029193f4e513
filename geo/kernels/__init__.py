"""Loops over arrays, compiled: numba and numpy only. Each stem has a friendly face of the same name in `geo`."""
