"""Models of who will be free: which there are, and which of each fleet is in force."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # live_ms of those that went live is the order in which they did, and rolling back goes down it; null: never live, or rolled back.
    op.execute("""
        CREATE TABLE availability_models (
            fleet     text COLLATE "C" NOT NULL,
            version   text COLLATE "C" NOT NULL,
            status    text NOT NULL CHECK (status IN ('staged', 'live', 'retired')),
            made_ms   bigint NOT NULL,
            live_ms   bigint,
            file      text NOT NULL,
            checksum  text NOT NULL,
            card      jsonb NOT NULL,
            PRIMARY KEY (fleet, version)
        )
    """)
    op.execute("CREATE UNIQUE INDEX one_live_model ON availability_models (fleet) WHERE status = 'live'")


def downgrade() -> None:
    op.execute("DROP TABLE availability_models")
