"""Until when each vehicle has been told what time alone makes rules say, and who is near it, so that no restart tells it twice."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE checkpoints ADD COLUMN told_ms bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE checkpoints ADD COLUMN pairs jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    op.execute("ALTER TABLE checkpoints DROP COLUMN pairs")
    op.execute("ALTER TABLE checkpoints DROP COLUMN told_ms")
