"""What a Prometheus scrapes: the hub's counters under names by its conventions, read when it asks."""
