"""Which short secret stands for which vehicle; of the secret itself only a digest is kept."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE phone_ids (
            fleet       text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            digest      bytea NOT NULL UNIQUE,
            created     timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, vehicle_id),
            FOREIGN KEY (fleet, vehicle_id) REFERENCES vehicles ON DELETE CASCADE
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE phone_ids")
