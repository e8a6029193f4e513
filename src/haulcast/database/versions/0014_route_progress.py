"""How far each vehicle has come on its route, so that no restart tells it twice; and of which route an event tells."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE checkpoints ADD COLUMN route jsonb NOT NULL DEFAULT 'null'")
    op.execute('ALTER TABLE events ADD COLUMN route_id text COLLATE "C"')
    op.execute("CREATE INDEX events_of_route ON events (fleet, route_id, number) WHERE route_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX events_of_route")
    op.execute("ALTER TABLE events DROP COLUMN route_id")
    op.execute("ALTER TABLE checkpoints DROP COLUMN route")
