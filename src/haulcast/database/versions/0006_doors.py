"""Tokens that were taken back, shared views, and who did what."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One token by its id, or, with an empty id, all of a vehicle (an empty one: of the fleet) issued before a moment.
    op.execute("""
        CREATE TABLE revocations (
            fleet       text COLLATE "C" NOT NULL,
            token_id    text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            before_ms   bigint NOT NULL,
            PRIMARY KEY (fleet, token_id, vehicle_id)
        )
    """)
    op.execute("""
        CREATE TABLE shares (
            fleet       text COLLATE "C" NOT NULL,
            share_id    text COLLATE "C" NOT NULL,
            name        text NOT NULL,
            vehicles    text[] NOT NULL,
            created_by  text NOT NULL,
            created     timestamptz NOT NULL,
            expires     timestamptz NOT NULL,
            PRIMARY KEY (fleet, share_id)
        )
    """)
    op.execute("""
        CREATE TABLE audit (
            audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            time      timestamptz NOT NULL,
            fleet     text COLLATE "C" NOT NULL,
            subject   text NOT NULL,
            role      text NOT NULL,
            address   text NOT NULL,
            action    text NOT NULL,
            target    text NOT NULL,
            status    integer NOT NULL,
            code      text NOT NULL,
            count     integer NOT NULL
        )
    """)
    op.execute("CREATE INDEX audit_of_fleet ON audit (fleet, audit_id)")
    op.execute("CREATE INDEX audit_by_time ON audit (time)")


def downgrade() -> None:
    op.execute("DROP TABLE audit")
    op.execute("DROP TABLE shares")
    op.execute("DROP TABLE revocations")
