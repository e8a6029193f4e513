"""Events to receivers on the web: who wants which, sending them, and what becomes of those that do not arrive."""
