"""What a map subscriber sees: snapshot, then deltas of a moving view, and fence events."""
