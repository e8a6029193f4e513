"""What the hub knows of each vehicle, written down behind the ticks and read at the next start."""
