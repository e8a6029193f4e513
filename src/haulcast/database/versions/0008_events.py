"""What was told of fences and rules, in the order in which it was stored, and the visits that follow from it."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No foreign keys: what a vehicle did stays when it or the fence is deleted. `number` is in the order of the commits
    # as long as one hub writes.
    op.execute("""
        CREATE TABLE events (
            number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            event_id    text COLLATE "C" NOT NULL UNIQUE,
            fleet       text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            other_id    text COLLATE "C",
            fence_id    text COLLATE "C",
            rule_id     text COLLATE "C",
            kind        text NOT NULL,
            time_ms     bigint NOT NULL,
            document    json NOT NULL
        )
    """)
    op.execute("CREATE INDEX events_of_fleet ON events (fleet, number)")
    op.execute("CREATE INDEX events_of_vehicle ON events (fleet, vehicle_id, time_ms)")
    op.execute("""
        CREATE TABLE visits (
            fleet       text COLLATE "C" NOT NULL,
            visit       bigint NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            fence_id    text COLLATE "C" NOT NULL,
            fence_name  text NOT NULL,
            entered_ms  bigint NOT NULL,
            entered_lat float8,
            entered_lon float8,
            left_ms     bigint,
            left_lat    float8,
            left_lon    float8,
            PRIMARY KEY (fleet, visit)
        )
    """)
    op.execute("CREATE INDEX visits_of_vehicle ON visits (fleet, vehicle_id, entered_ms)")
    op.execute("CREATE INDEX visits_of_fence ON visits (fleet, fence_id, entered_ms)")


def downgrade() -> None:
    op.execute("DROP TABLE visits")
    op.execute("DROP TABLE events")
