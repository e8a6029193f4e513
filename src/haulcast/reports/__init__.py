"""What the history says, over HTTP: latest positions, fixes, tracks, stops and trips, days."""
