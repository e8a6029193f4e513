"""Rules of each fleet."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE rules (
            fleet     text COLLATE "C" NOT NULL,
            rule_id   text COLLATE "C" NOT NULL,
            document  jsonb NOT NULL,
            version   int NOT NULL DEFAULT 1,
            created   timestamptz NOT NULL DEFAULT now(),
            updated   timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, rule_id)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE rules")
