"""Rows and batches: which vehicle has which row, what waits for the next tick, each vehicle's newest fix."""
