"""Where rows live: a PostgreSQL by URL, or one of our own in the data folder; its pool and its schema."""
