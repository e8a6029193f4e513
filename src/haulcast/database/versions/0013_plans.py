"""Plans: what was asked for, how far each is, and what was found."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A list reads the summaries alone; results are large, and PostgreSQL keeps them elsewhere, compressed.
    op.execute("""
        CREATE TABLE plans (
            fleet        text COLLATE "C" NOT NULL,
            plan_id      text COLLATE "C" NOT NULL,
            ask          json NOT NULL,
            state        text NOT NULL,
            reason       text NOT NULL DEFAULT '',
            made_ms      bigint NOT NULL,
            began_ms     bigint,
            ended_ms     bigint,
            accepted_ms  bigint,
            summary      json,
            result       json,
            PRIMARY KEY (fleet, plan_id)
        )
    """)
    op.execute("CREATE INDEX plans_unfinished ON plans (state) WHERE state IN ('waiting', 'running')")


def downgrade() -> None:
    op.execute("DROP TABLE plans")
