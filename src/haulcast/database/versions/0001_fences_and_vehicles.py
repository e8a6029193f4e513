"""Fences and vehicles of each fleet."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Ids compare byte by byte ("C"), so that pages have the same order on every machine.
    op.execute("""
        CREATE TABLE fences (
            fleet       text COLLATE "C" NOT NULL,
            fence_id    text COLLATE "C" NOT NULL,
            name        text NOT NULL,
            area        jsonb NOT NULL,
            tags        text[] NOT NULL,
            attributes  jsonb NOT NULL,
            version     int NOT NULL DEFAULT 1,
            created     timestamptz NOT NULL DEFAULT now(),
            updated     timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, fence_id)
        )
    """)
    op.execute("""
        CREATE TABLE vehicles (
            fleet       text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            name        text NOT NULL,
            tags        text[] NOT NULL,
            attributes  jsonb NOT NULL,
            created     timestamptz NOT NULL DEFAULT now(),
            updated     timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, vehicle_id)
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE vehicles")
    op.execute("DROP TABLE fences")
