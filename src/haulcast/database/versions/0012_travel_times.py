"""Travel times that were learned of each fleet's history."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # speeds is an npz file of arrays (travel/travel_tables.py): it is compressed already.
    op.execute("""
        CREATE TABLE travel_times (
            fleet     text COLLATE "C" PRIMARY KEY,
            made_ms   bigint NOT NULL,
            begin_ms  bigint NOT NULL,
            end_ms    bigint NOT NULL,
            legs      bigint NOT NULL,
            speeds    bytea NOT NULL
        )
    """)
    op.execute("ALTER TABLE travel_times ALTER COLUMN speeds SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.execute("DROP TABLE travel_times")
