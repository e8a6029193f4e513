"""What a crash left between the history and the checkpoints, made good before the first tick."""

from geo.positions import PositionBatch
from geo.track_filter import FilterLimits
from haulcast import clock
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.checkpoints.newer_fixes import PostgresNewerFixes, redo
from haulcast.database.pool import Database
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.routes.route_set import RouteSet
from haulcast.rules.rule_book import RuleBook
from haulcast.tracking.step import HubState, step

NO_LIMIT = 1e9
STALE_NEVER_MS = 2**52


async def redo_stored(
    database: Database,
    limits: FilterLimits,
    state: HubState,
    rows: VehicleRows,
    catalogue: FenceCatalogue,
    rule_book: RuleBook,
    checkpoints: CheckpointLoop,
    route_set: RouteSet,
) -> None:
    """Step the fixes that were stored after the last checkpoints; what they tell is stored like all that is told.

    Raises:
        StoreError: the database cannot be reached.
    """
    now_ms = clock.epoch_ms()
    # they were taken once: neither their age nor their number is asked about again
    limits = limits._replace(late_ms=STALE_NEVER_MS, device_rate_per_s=NO_LIMIT, device_burst=NO_LIMIT)

    def take_step(fixes: PositionBatch) -> None:
        checkpoints.on_step(
            step(state, fixes, catalogue.current, now_ms, limits, rule_book.current, route_set)
        )

    await redo(PostgresNewerFixes(database), state, rows, take_step, now_ms)
