"""Fuzzing of every decoder that strangers reach: `python -m fuzz`."""
