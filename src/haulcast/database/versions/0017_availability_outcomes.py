"""Predictions of who will be free that were sampled, what came of them, and when they were too often wrong."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A prediction was made horizon_s before due_ms. State is of that time: 0 off, 1 busy, 2 free. What came is null until
    # the moment is over.
    op.execute("""
        CREATE TABLE availability_outcomes (
            fleet         text COLLATE "C" NOT NULL,
            due_ms        bigint NOT NULL,
            vehicle       text COLLATE "C" NOT NULL,
            horizon_s     integer NOT NULL,
            state         smallint NOT NULL,
            p_on_duty     real NOT NULL,
            p_free        real NOT NULL,
            basis         text NOT NULL,
            version       text,
            on_duty_then  boolean,
            free_then     boolean,
            PRIMARY KEY (fleet, due_ms, vehicle, horizon_s)
        )
    """)
    op.execute(
        "CREATE INDEX availability_outcomes_pending ON availability_outcomes (fleet, due_ms) WHERE on_duty_then IS NULL"
    )
    op.execute("CREATE INDEX availability_outcomes_by_time ON availability_outcomes USING brin (due_ms)")
    # end_ms is null of what lasts.
    op.execute("""
        CREATE TABLE availability_alerts (
            fleet          text COLLATE "C" NOT NULL,
            question       text NOT NULL,
            horizon_s      integer NOT NULL,
            begin_ms       bigint NOT NULL,
            end_ms         bigint,
            accuracy       float8 NOT NULL,
            accuracy_high  float8 NOT NULL,
            n              bigint NOT NULL,
            PRIMARY KEY (fleet, question, horizon_s, begin_ms)
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX one_lasting_alert ON availability_alerts (fleet, question, horizon_s) WHERE end_ms IS NULL
    """)


def downgrade() -> None:
    op.execute("DROP TABLE availability_alerts")
    op.execute("DROP TABLE availability_outcomes")
