"""The named areas of each fleet: kept in the database, held in memory, frozen into the set that ticks match against."""
