"""Webhooks and what they still have to be sent; and the indexes that events and visits are read and forgotten by."""

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of those who are told of a second vehicle there are few; ages follow the order of storing closely enough for a BRIN.
    op.execute("CREATE INDEX events_of_other ON events (fleet, other_id, number) WHERE other_id IS NOT NULL")
    op.execute("CREATE INDEX events_by_time ON events USING brin (time_ms) WITH (autosummarize = on)")
    op.execute("CREATE INDEX visits_by_time ON visits USING brin (entered_ms) WITH (autosummarize = on)")
    # A span of the fleet's visits is bounded from both sides; of a recent one this is the short side.
    op.execute("CREATE INDEX visits_by_end ON visits (fleet, (coalesce(left_ms, 9223372036854775807)))")
    op.execute("CREATE INDEX visits_of_fleet ON visits (fleet, entered_ms, visit)")
    # A filter that is null lets everything pass. Events up to delivered_number were sent, are in webhook_deliveries, or were not wanted.
    op.execute("""
        CREATE TABLE webhooks (
            fleet                text COLLATE "C" NOT NULL,
            webhook_id           text COLLATE "C" NOT NULL,
            url                  text NOT NULL,
            kinds                text[],
            fences               text[],
            rules                text[],
            vehicles             text[],
            is_paused            boolean NOT NULL,
            pause_reason         text NOT NULL DEFAULT '',
            secret               bytea NOT NULL,
            old_secret           bytea,
            old_secret_until_ms  bigint,
            version              integer NOT NULL DEFAULT 1,
            created              timestamptz NOT NULL DEFAULT now(),
            updated              timestamptz NOT NULL DEFAULT now(),
            delivered_number     bigint NOT NULL,
            last_success_ms      bigint,
            last_error_ms        bigint,
            last_error           text,
            PRIMARY KEY (fleet, webhook_id)
        )
    """)
    # next_ms is null of what is dead.
    op.execute("""
        CREATE TABLE webhook_deliveries (
            fleet       text COLLATE "C" NOT NULL,
            webhook_id  text COLLATE "C" NOT NULL,
            number      bigint NOT NULL,
            event_id    text COLLATE "C" NOT NULL,
            document    json NOT NULL,
            tries       integer NOT NULL,
            next_ms     bigint,
            failed_ms   bigint NOT NULL,
            error       text NOT NULL,
            PRIMARY KEY (fleet, webhook_id, number),
            FOREIGN KEY (fleet, webhook_id) REFERENCES webhooks ON DELETE CASCADE
        )
    """)
    op.execute(
        "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (fleet, webhook_id, next_ms) WHERE next_ms IS NOT NULL"
    )
    op.execute("CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (failed_ms) WHERE next_ms IS NULL")


def downgrade() -> None:
    op.execute("DROP TABLE webhook_deliveries")
    op.execute("DROP TABLE webhooks")
    for index in ("visits_of_fleet", "visits_by_end", "visits_by_time", "events_by_time", "events_of_other"):
        op.execute(f"DROP INDEX {index}")
