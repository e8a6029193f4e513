"""Alembic's entry, run by `migrations.py`: all missing versions in one transaction, one hub at a time."""

from alembic import context
from sqlalchemy import text

_LOCK_KEY = (
    0x6861756C  # advisory locks are numbered and shared with whatever else uses the database; this is "haul"
)

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    # The hub that waited here finds the versions already run.
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"))
    context.run_migrations()
