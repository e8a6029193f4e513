"""Where each vehicle was and what it was inside, for the next start of the hub."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows are rewritten every few seconds: room on each page keeps the new version beside the old and out of the index.
    op.execute("""
        CREATE TABLE checkpoints (
            fleet          text COLLATE "C" NOT NULL,
            vehicle_id     text COLLATE "C" NOT NULL,
            seq            bigint NOT NULL,
            time_ms        bigint NOT NULL,
            received_ms    bigint NOT NULL,
            lat_deg        float8 NOT NULL,
            lon_deg        float8 NOT NULL,
            speed_mps      float8 NOT NULL,
            heading_deg    float8 NOT NULL,
            accuracy_m     float8 NOT NULL,
            altitude_m     float8 NOT NULL,
            top_seq        bigint NOT NULL,
            seq_window     bigint NOT NULL,
            handled_seq    bigint NOT NULL,
            fence_time_ms  bigint NOT NULL,
            fence_lat_deg  float8 NOT NULL,
            fence_lon_deg  float8 NOT NULL,
            visits         jsonb NOT NULL,
            PRIMARY KEY (fleet, vehicle_id),
            FOREIGN KEY (fleet, vehicle_id) REFERENCES vehicles ON DELETE CASCADE
        ) WITH (fillfactor = 60)
    """)


def downgrade() -> None:
    op.execute("DROP TABLE checkpoints")
