"""The vehicles of each fleet: what users say about them, and which have ever reported."""
