"""Events and visits that are kept: read back over HTTP, and forgotten when they are old."""
