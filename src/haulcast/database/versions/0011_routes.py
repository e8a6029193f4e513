"""Loads, routes and vehicle profiles; and which fences the hub made for stops."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _loads()
    _routes()
    _profiles_and_fences()


def _loads() -> None:
    # vehicle is empty of a load that is on no route.
    op.execute("""
        CREATE TABLE loads (
            fleet          text COLLATE "C" NOT NULL,
            load_id        text COLLATE "C" NOT NULL,
            status         text NOT NULL,
            vehicle        text COLLATE "C" NOT NULL,
            pickup         jsonb,
            delivery       jsonb,
            size           jsonb NOT NULL,
            needs          text[] NOT NULL,
            left_out_cost  double precision,
            version        int NOT NULL DEFAULT 1,
            created        timestamptz NOT NULL DEFAULT now(),
            updated        timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, load_id)
        )
    """)
    op.execute("CREATE INDEX loads_by_status ON loads (fleet, status, load_id)")
    op.execute("CREATE INDEX loads_of_vehicle ON loads (fleet, vehicle, load_id) WHERE vehicle <> ''")
    # What is not over is read whole at the start, among all that ever was; what is over is forgotten by age.
    op.execute("CREATE INDEX loads_ahead ON loads (fleet) WHERE status NOT IN ('delivered', 'cancelled')")
    op.execute("CREATE INDEX loads_over ON loads (updated) WHERE status IN ('delivered', 'cancelled')")


def _routes() -> None:
    # line is large and seldom changes: a write that keeps it sends null.
    op.execute("""
        CREATE TABLE routes (
            fleet     text COLLATE "C" NOT NULL,
            route_id  text COLLATE "C" NOT NULL,
            vehicle   text COLLATE "C" NOT NULL,
            status    text NOT NULL,
            stops     jsonb NOT NULL,
            line      jsonb,
            plan      text COLLATE "C" NOT NULL,
            version   int NOT NULL DEFAULT 1,
            created   timestamptz NOT NULL DEFAULT now(),
            updated   timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, route_id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX one_active_route ON routes (fleet, vehicle) WHERE status = 'active'")
    op.execute("CREATE INDEX routes_by_status ON routes (fleet, status, route_id)")
    op.execute("CREATE INDEX routes_of_vehicle ON routes (fleet, vehicle, route_id)")
    op.execute("CREATE INDEX routes_ahead ON routes (fleet) WHERE status NOT IN ('done', 'cancelled')")
    op.execute("CREATE INDEX routes_over ON routes (updated) WHERE status IN ('done', 'cancelled')")


def _profiles_and_fences() -> None:
    op.execute("""
        CREATE TABLE vehicle_profiles (
            fleet       text COLLATE "C" NOT NULL,
            vehicle_id  text COLLATE "C" NOT NULL,
            profile     jsonb NOT NULL,
            version     int NOT NULL DEFAULT 1,
            created     timestamptz NOT NULL DEFAULT now(),
            updated     timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (fleet, vehicle_id)
        )
    """)
    # Written before the fence is, and removed after it, so that no fence is left behind, and none of a user's is deleted.
    op.execute("""
        CREATE TABLE stop_fences (
            fleet     text COLLATE "C" NOT NULL,
            fence_id  text COLLATE "C" NOT NULL,
            PRIMARY KEY (fleet, fence_id)
        )
    """)


def downgrade() -> None:
    for table in ("stop_fences", "vehicle_profiles", "routes", "loads"):
        op.execute(f"DROP TABLE {table}")
