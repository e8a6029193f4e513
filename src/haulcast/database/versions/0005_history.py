"""Every fix that was taken, a table a day (UTC), and the number that stands for each vehicle there."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No reference to `vehicles`: the history of a vehicle outlives its deletion.
    op.execute("""
        CREATE TABLE history_vehicles (
            number      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            fleet       text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            UNIQUE (fleet, vehicle_id)
        )
    """)
    # One index for "one vehicle, a span" and for "once only". Unknown numbers are NaN, so that all rows have one size.
    # json, not jsonb: what a device said comes back as it was, and no valid JSON is refused.
    op.execute("""
        CREATE TABLE fixes (
            vehicle      int NOT NULL,
            time_ms      bigint NOT NULL,
            seq          bigint NOT NULL,
            received_ms  bigint NOT NULL,
            lat_deg      float8 NOT NULL,
            lon_deg      float8 NOT NULL,
            speed_mps    float8 NOT NULL,
            heading_deg  float8 NOT NULL,
            accuracy_m   float8 NOT NULL,
            altitude_m   float8 NOT NULL,
            attributes   json,
            PRIMARY KEY (vehicle, time_ms, seq)
        ) PARTITION BY RANGE (time_ms)
    """)


def downgrade() -> None:
    op.execute("DROP TABLE fixes")
    op.execute("DROP TABLE history_vehicles")
