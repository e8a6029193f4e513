"""The heart: one pure step a tick, and the loop that turns it."""
