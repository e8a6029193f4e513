"""Fixes over HTTP: the protocols of phone apps and trackers, and plain batches; `docs/phones.md` has the settings to type in."""
