"""When each driver was on duty, and busy: what availability is learned from and served by."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE driver_spans (
            fleet text COLLATE "C" NOT NULL,
            vehicle text COLLATE "C" NOT NULL,
            kind smallint NOT NULL,
            begin_ms bigint NOT NULL,
            end_ms bigint,
            begin_lat float8,
            begin_lon float8,
            end_lat float8,
            end_lon float8,
            is_said boolean NOT NULL DEFAULT false,
            PRIMARY KEY (fleet, vehicle, kind, begin_ms)
        )
        """
    )
    op.execute("CREATE INDEX driver_spans_by_time ON driver_spans (fleet, begin_ms)")


def downgrade() -> None:
    op.execute("DROP TABLE driver_spans")
