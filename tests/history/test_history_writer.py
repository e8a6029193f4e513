"""The writer between the filter and a store: what it writes when, what it says of it, and what it does when things fail."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import numpy as np
import pytest
from history_fixes import NOON_MS, contents, fixes_of, stored

from geo.positions import PositionBatch
from geo.track_filter import FilterLimits, Reason, Refusals, TrackState, filter_track
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history import history_writer
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.history.history_writer import FIX_BYTES, HistoryWriter, writing
from haulcast.history.retention import keep_days, look_after_days

LIMITS = FilterLimits(10**15, 10**15, 1e6, 1e9, 1e9, 1e9, 1e9)


class Store(MemoryHistoryStore):
    """A store that is slow, away, or refuses some sequences, as it is told."""

    def __init__(self) -> None:
        super().__init__(lambda row: ("acme", f"v{row}"))
        self.sizes: list[int] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None
        self.refused_seqs: set[int] = set()
        self.most = 10**9
        self.calls: list[tuple] = []

    async def write(self, fixes: PositionBatch) -> int:
        self.sizes.append(len(fixes))
        await self.may_go_on.wait()
        if self.error:
            raise self.error
        if self.refused_seqs & set(fixes.seq.tolist()) or len(fixes) > self.most:
            raise RefusedFixesError("unstorable", "no")
        return await super().write(fixes)

    async def prepare(self, time_ms: int) -> None:
        self.calls.append(("prepare", time_ms))
        if self.error:
            raise self.error

    async def drop_before(self, time_ms: int) -> int:
        self.calls.append(("drop", time_ms))
        return 0


class Hub:
    """A filter, a writer and what it said."""

    def __init__(self, **options) -> None:
        self.track, self.store, self.now_ms = TrackState(), Store(), NOON_MS
        self.track.ensure_rows(4)
        self.said: list[tuple] = []
        chosen = {"buffer_bytes": 10**9, "commit_s": 0.0, **options}
        self.writer = HistoryWriter(self.store, self.track, now_ms=lambda: self.now_ms, **chosen)
        self.writer.listen(
            on_stored=lambda rows: self.said.append(("stored", rows.tolist(), self.handled(*rows.tolist()))),
            on_refused=lambda refused: self.said.append(("refused", *self.shown(refused))),
            on_resend=lambda rows, seqs: self.said.append(("resend", rows.tolist(), seqs.tolist())),
        )

    @staticmethod
    def shown(refused: Refusals) -> list[tuple[int, int, Reason]]:
        columns = (refused.row.tolist(), refused.seq.tolist(), refused.reasons.tolist())
        return [(row, seq, Reason(bits)) for row, seq, bits in zip(*columns, strict=True)]

    def handled(self, *rows: int) -> list[int]:
        return self.writer.handled_seq(np.array(rows)).tolist()

    def step(self, *fixes: tuple[int, int], **options) -> list[tuple[int, int, Reason]]:
        """Of (row, seq), a second a sequence; what may be told at once."""
        batch = fixes_of(*((row, seq, NOON_MS + 1_000 * seq) for row, seq in fixes), **options)
        result = filter_track(self.track, batch, NOON_MS, LIMITS)
        self.writer.add(result.kept, np.unique(result.kept.row))
        return self.shown(self.writer.hold_refusals(result.refused))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Waits are short."""
    monkeypatch.setattr(history_writer, "FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(history_writer, "LAST_RETRY_S", 0.002)
    monkeypatch.setattr(history_writer, "TELL_EVERY_S", 0.001)
    monkeypatch.setattr(history_writer, "STEP_BYTES", 0)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A hub whose writer runs."""
    made = Hub()
    async with writing(made.writer):
        yield made


async def seqs(hub: Hub, row: int = 0) -> list[int]:
    return [int(fix[0]) for fix in await stored(hub.store, "acme", f"v{row}")]


async def test_nothing_is_said_before_it_is_stored(hub):
    """While the write is in flight the highest stored sequence is the old one; then it is the step's."""
    hub.store.may_go_on.clear()
    hub.step((0, 1), (0, 2), (1, 7))
    await asyncio.sleep(0)
    assert (hub.said, hub.handled(0, 1, 2, 99)) == ([], [-1, -1, -1, -1])
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert hub.said == [("stored", [0, 1], [2, 7])]
    assert await seqs(hub) == [1, 2]


async def test_what_comes_during_a_write_shares_the_next(hub, wait_until):
    """One write in flight; a hundred steps meanwhile are one write, and each vehicle is named once."""
    hub.store.may_go_on.clear()
    hub.step((0, 0))
    await wait_until(lambda: hub.store.sizes)
    for seq in range(1, 101):
        hub.step((0, seq))
    assert hub.writer.counters["buffered"] == 101
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert hub.store.sizes == [1, 100]
    assert hub.said == [("stored", [0], [0]), ("stored", [0], [100])]


async def test_a_backlog_is_written_in_portions(hub, monkeypatch):
    """No write is larger than its bound, but for a single step that is."""
    monkeypatch.setattr(history_writer, "WRITE_FIXES", 10)
    for first in (0, 6, 12, 18):
        hub.step(*((0, seq) for seq in range(first, first + 6)))
    hub.step(*((0, seq) for seq in range(24, 40)))
    await hub.writer.settled()
    assert hub.store.sizes == [6, 6, 6, 6, 16]
    assert await seqs(hub) == list(range(40))


async def test_writes_are_spaced_so_that_fixes_share_a_commit():
    """The first begins at once, the next only after the interval."""
    hub = Hub(commit_s=0.1)
    loop = asyncio.get_running_loop()
    async with writing(hub.writer):
        begun_s = loop.time()
        hub.step((0, 0))
        await hub.writer.settled()
        assert loop.time() - begun_s < 0.09
        hub.step((0, 1))
        await hub.writer.settled()
        assert loop.time() - begun_s > 0.09


async def test_what_is_kept_is_a_copy(hub):
    """The step's arrays may be used again at once."""
    hub.store.may_go_on.clear()
    batch = fixes_of((0, 1, NOON_MS), attributes={0: b'{"a":1}'})
    wanted = contents(batch)
    hub.writer.add(batch, np.array([0], np.int32))
    batch.lat_deg[:] = 0.0
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert await stored(hub.store, "acme", "v0") == wanted


async def test_a_store_that_is_away_is_asked_until_it_is_back(hub, wait_until):
    """Nothing is said or lost meanwhile, and it shows in the counters."""
    hub.store.error = StoreError("database_unreachable", "gone")
    hub.step((0, 1))
    hub.now_ms += 700
    await wait_until(lambda: len(hub.store.sizes) > 3)
    counted = hub.writer.counters
    assert (counted["store_away"], counted["buffered"], counted["store_lag_ms"]) == (True, 1, 700)
    assert counted["errors"] == len(hub.store.sizes)
    assert hub.said == []
    hub.store.error = None
    await hub.writer.settled()
    assert (await seqs(hub), hub.said) == ([1], [("stored", [0], [1])])
    counted = hub.writer.counters
    assert (counted["store_away"], counted["buffered"], counted["buffered_bytes"], counted["store_lag_ms"]) == (False, 0, 0, 0)  # fmt: skip


async def test_an_unforeseen_error_loses_nothing_either(hub, wait_until):
    """It is logged, and the same fixes are tried again."""
    hub.store.error = RuntimeError("a defect")
    hub.step((0, 1))
    await wait_until(lambda: len(hub.store.sizes) > 2)
    hub.store.error = None
    await hub.writer.settled()
    assert await seqs(hub) == [1]


async def test_fixes_that_the_store_refuses_are_found_and_the_rest_is_stored(hub):
    """Their devices hear a reject before the ack, and what is stored is counted right."""
    hub.store.refused_seqs = {3, 40}
    hub.step(*((seq % 2, seq) for seq in range(50)))
    await hub.writer.settled()
    refused = [("refused", (1, 3, Reason.UNSTORABLE)), ("refused", (0, 40, Reason.UNSTORABLE))]
    assert hub.said == [*refused, ("stored", [0, 1], [48, 49])]
    assert sorted(await seqs(hub, 0) + await seqs(hub, 1)) == [seq for seq in range(50) if seq not in (3, 40)]
    counted = hub.writer.counters
    assert (counted["stored"], counted["unstorable"], counted["repeated"]) == (48, 2, 0)


async def test_a_write_that_is_too_large_for_the_store_is_halved_and_nothing_refused(hub):
    """As with too many days at once."""
    hub.store.most = 7
    hub.step(*((0, seq) for seq in range(50)))
    await hub.writer.settled()
    assert await seqs(hub) == list(range(50))
    assert hub.said == [("stored", [0], [49])]


async def test_a_duplicate_is_not_told_before_its_first_copy_is_stored(hub):
    """While that waits nothing is said, its ack will do; when it is stored, the second copy hears that it is one."""
    hub.store.may_go_on.clear()
    hub.step((0, 1))
    assert hub.step((0, 1)) == []
    assert hub.step((0, 1), (0, 2)) == []
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert [said[0] for said in hub.said] == ["stored"] * len(hub.said)
    ((row, seq, reasons),) = hub.step((0, 1))
    assert (row, seq) == (0, 1)
    assert Reason.DUPLICATE in reasons


async def test_another_fix_of_the_same_time_is_told_when_the_first_is_stored(hub):
    """It has a sequence of its own, so no ack would speak of it; the reject comes before the ack."""
    hub.store.may_go_on.clear()
    hub.step((0, 1))
    batch = fixes_of((0, 2, NOON_MS + 1_000))
    result = filter_track(hub.track, batch, NOON_MS, LIMITS)
    assert len(hub.writer.hold_refusals(result.refused)) == 0
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert hub.said == [("refused", (0, 2, Reason.DUPLICATE)), ("stored", [0], [1])]


async def test_nothing_is_said_of_a_second_copy_of_a_fix_that_is_held_back(hub):
    """What becomes of the first is not decided, so the device has to keep it."""
    limits = LIMITS._replace(speed_limit_mps=1.0, jump_slack_m=1.0)
    batch = fixes_of((0, 1, NOON_MS), (0, 2, NOON_MS + 1), (0, 2, NOON_MS + 1))
    batch.lat_deg[:] = [10.0, 20.0, 20.0]
    result = filter_track(hub.track, batch, NOON_MS, limits)
    assert len(result.refused) == 1
    assert len(hub.writer.hold_refusals(result.refused)) == 0


async def test_rejects_of_other_reasons_are_told_at_once(hub):
    """They wait for no store."""
    hub.store.may_go_on.clear()
    hub.step((0, 1))
    refused = Refusals(
        np.zeros(1, np.int32), np.array([5]), np.array([Reason.STALE], np.uint32), np.zeros(1, np.int64)
    )
    assert hub.shown(hub.writer.hold_refusals(refused)) == [(0, 5, Reason.STALE)]


async def test_a_full_buffer_drops_the_newest_and_asks_for_them_later(wait_until):
    """The filter lets them pass again, late; in between nothing of the vehicle counts; in the end all is stored once."""
    hub = Hub(buffer_bytes=3 * FIX_BYTES)
    hub.store.error = StoreError("database_unreachable", "gone")
    async with writing(hub.writer):
        hub.step((0, 1), (0, 2))
        hub.step((0, 3), (0, 4))
        assert hub.writer.counters["dropped"] == 2
        await wait_until(lambda: len(hub.store.sizes) > 2)
        assert hub.said == []
        hub.store.error = None
        await wait_until(lambda: ("resend", [0], [2]) in hub.said)
        assert hub.said[0] == ("stored", [0], [2])
        hub.step((0, 5))  # was on its way
        hub.step((0, 3), (0, 4))
        await hub.writer.settled()
        assert hub.said[-1] == ("stored", [0], [4])
        hub.step((0, 5), (0, 6))
        await hub.writer.settled()
    assert hub.said[-1] == ("stored", [0], [6])
    assert await seqs(hub) == [1, 2, 3, 4, 5, 6]
    assert hub.writer.counters["repeated"] == 0


async def test_a_refused_fix_that_was_on_its_way_moves_no_ack_past_what_is_missing(wait_until):
    """Its sequence is above the missing ones; after the device has gone back, acks go on from where it went back to."""
    hub = Hub(buffer_bytes=2 * FIX_BYTES)
    hub.store.may_go_on.clear()
    async with writing(hub.writer):
        hub.step((0, 1), (0, 2))
        hub.step((0, 3))
        poor = fixes_of((0, 9, NOON_MS + 9_000))
        poor.lat_deg[:] = 91.0
        assert len(filter_track(hub.track, poor, NOON_MS, LIMITS).refused) == 1
        hub.store.may_go_on.set()
        await wait_until(lambda: ("resend", [0], [2]) in hub.said)
        hub.step((0, 3))
        await hub.writer.settled()
    assert hub.said[-1] == ("stored", [0], [3])


async def test_a_phones_fix_moves_no_ack_past_what_the_device_beside_it_has_to_send_again(wait_until):
    """It has no sequence, so it is kept although something is missing, and says nothing of what was refused meanwhile."""
    hub = Hub(buffer_bytes=2 * FIX_BYTES)
    hub.store.may_go_on.clear()
    async with writing(hub.writer):
        hub.step((0, 1), (0, 2))
        hub.step((0, 3))
        poor = fixes_of((0, 9, NOON_MS + 9_000))
        poor.lat_deg[:] = 91.0
        filter_track(hub.track, poor, NOON_MS, LIMITS)
        hub.store.may_go_on.set()
        await wait_until(lambda: ("resend", [0], [2]) in hub.said)
        hub.step((0, -1))
        await hub.writer.settled()
        assert hub.said[-1] == ("stored", [0], [2])
        hub.step((0, 3))
        await hub.writer.settled()
    assert hub.said[-1] == ("stored", [0], [3])
    assert await seqs(hub) == [-1, 1, 2, 3]


async def test_who_waits_for_a_fix_that_was_held_back_and_forgotten_hears_of_a_loss():
    """A vehicle that has to send again holds nothing back; the fix did not fail to be kept, and yet it is gone."""
    hub = Hub(buffer_bytes=2 * FIX_BYTES)
    hub.step((0, 1), (0, 2))
    hub.step((0, 3))
    jump = fixes_of((0, 4, NOON_MS + 4_000))
    jump.lat_deg[:] = -float(np.sign(hub.track.track["newest_lat"][0])) * 80.0
    result = filter_track(hub.track, jump, NOON_MS, LIMITS._replace(speed_limit_mps=1.0, jump_slack_m=1.0))
    assert (len(result.accepted), hub.track.held().tolist()) == (0, [0])
    assert not hub.writer.add(result.kept, np.unique(result.kept.row))
    assert hub.track.held().tolist() == []


JUMPY = LIMITS._replace(speed_limit_mps=1.0, jump_slack_m=1.0)


def somewhere(*fixes: tuple[int, float]) -> PositionBatch:
    """Of (sequence, latitude), of vehicle 0."""
    made = fixes_of(*((0, seq, NOON_MS + 1_000 * seq) for seq, _ in fixes))
    made.lat_deg[:], made.lon_deg[:], made.accuracy_m[:] = [lat for _, lat in fixes], 20.0, 0.0
    return made


async def test_a_jump_is_refused_once_it_is_stored(hub):
    """A held fix is not acked; when it is refused it is stored first, then its device hears so, then it is acked with the rest."""
    hub.store.may_go_on.clear()

    def step(*fixes: tuple[int, float]) -> list:
        result = filter_track(hub.track, somewhere(*fixes), NOON_MS, JUMPY)
        assert hub.writer.add(result.kept, np.unique(result.kept.row))
        return hub.shown(hub.writer.hold_refusals(result.refused))

    assert (step((1, 10.0), (2, 30.0)), step((3, -30.0)), step((4, 10.0))) == ([], [], [])
    assert hub.said == []
    hub.store.may_go_on.set()
    await hub.writer.settled()
    assert hub.said == [
        ("refused", (0, 2, Reason.IMPOSSIBLE_JUMP)),
        ("refused", (0, 3, Reason.IMPOSSIBLE_JUMP)),
        ("stored", [0], [4]),
    ]
    assert await seqs(hub) == [1, 2, 3, 4]


async def test_a_jump_that_is_dropped_is_not_called_refused_and_comes_again(wait_until):
    """The history is full when it is decided: its device hears resend, sends both again, and both are stored."""
    hub = Hub(buffer_bytes=2 * FIX_BYTES)
    said = []

    def step(*fixes: tuple[int, float]) -> None:
        result = filter_track(hub.track, somewhere(*fixes), NOON_MS, JUMPY)
        hub.writer.add(result.kept, np.unique(result.kept.row))
        said.extend(hub.shown(hub.writer.hold_refusals(result.refused)))

    step((0, 10.0), (1, 10.0), (2, 30.0))
    step((3, 10.0))
    assert (said, hub.writer.counters["dropped"]) == ([], 2)
    async with writing(hub.writer):
        await wait_until(lambda: ("resend", [0], [1]) in hub.said)
        step((2, 30.0), (3, 10.0))
        await hub.writer.settled()
    assert (said, hub.handled(0), await seqs(hub)) == ([], [3], [0, 1, 2, 3])


async def test_fixes_that_could_not_be_kept_for_want_of_memory_come_again(monkeypatch, wait_until):
    """Later ones of the vehicle are not acked before them; others' are."""
    hub = Hub()

    def fail(*_):
        raise MemoryError

    async with writing(hub.writer):
        with monkeypatch.context() as patch:
            patch.setattr(history_writer, "from_columns", fail)
            batch = fixes_of((0, 1, NOON_MS))
            result = filter_track(hub.track, batch, NOON_MS, LIMITS)
            assert not hub.writer.add(result.accepted, result.accepted.row)
        hub.step((0, 2), (1, 1))
        await wait_until(lambda: ("resend", [0], [-1]) in hub.said)
        await hub.writer.settled()
        assert hub.handled(0, 1) == [-1, 1]
        hub.step((0, 1), (0, 2))
        await hub.writer.settled()
    assert (hub.handled(0), await seqs(hub)) == ([2], [1, 2])


async def test_fixes_of_a_step_that_failed_are_not_acked_and_come_again(hub, wait_until):
    """The filter counts them as taken, or holds them back; what follows neither covers nor decides them."""
    limits = LIMITS._replace(speed_limit_mps=1.0, jump_slack_m=1.0)

    def batch(*seqs: int) -> PositionBatch:
        made = fixes_of(*((0, seq, NOON_MS + 1_000 * seq) for seq in seqs))
        made.lat_deg[:], made.lon_deg[:], made.accuracy_m[:] = 10.0, 20.0, 0.0
        made.lat_deg[np.array(seqs) > 1] = 30.0
        return made

    filter_track(hub.track, batch(1, 2), NOON_MS, limits)
    assert hub.track.held().tolist() == [0]
    hub.writer.lose(batch(1, 2))
    await wait_until(lambda: ("resend", [0], [-1]) in hub.said)
    for sent in (batch(3), batch(1, 2, 3)):
        result = filter_track(hub.track, sent, NOON_MS, limits)
        hub.writer.add(result.kept, np.unique(result.kept.row))
        await hub.writer.settled()
    assert (hub.handled(0), await seqs(hub)) == ([3], [1, 2, 3])


async def test_what_waits_counts_with_all_its_memory(monkeypatch):
    """A small step takes more than its fixes, so that a small fleet cannot fill the memory while the store is away."""
    monkeypatch.undo()
    hub = Hub()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for seq in range(200):
        hub.step((0, seq))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 1.2 * hub.writer.counters["buffered_bytes"]


async def test_a_second_report_of_a_phone_is_not_put_by():
    """Nobody is told of it, so it may not take memory while the store is away."""
    hub = Hub()
    batch = fixes_of((0, -1, NOON_MS))
    for _ in range(2):
        result = filter_track(hub.track, batch, NOON_MS, LIMITS)
        hub.writer.add(result.kept, np.unique(result.kept.row))
    assert len(hub.writer.hold_refusals(result.refused)) == 1


async def test_no_duplicate_is_told_of_a_vehicle_that_has_to_send_again():
    """Both copies came in the step that was dropped: the device has to keep its one."""
    hub = Hub(buffer_bytes=2 * FIX_BYTES)
    hub.step((0, 1), (0, 2))
    assert hub.step((0, 3), (0, 3)) == []
    assert hub.writer.counters["dropped"] == 1
    async with writing(hub.writer):
        await hub.writer.settled()
    assert hub.said[0] == ("stored", [0], [2])
    assert "refused" not in {said[0] for said in hub.said}


async def test_days_are_made_ahead_and_dropped_when_they_are_too_old(wait_until):
    """Today's and tomorrow's; with 0 nothing is dropped; a store that is away is asked again."""
    store, day_ms = Store(), 86_400_000
    await look_after_days(store, 30, NOON_MS)
    assert store.calls == [
        ("prepare", NOON_MS),
        ("prepare", NOON_MS + day_ms),
        ("drop", NOON_MS - 30 * day_ms),
    ]
    store.calls.clear()
    await look_after_days(store, 0, NOON_MS)
    assert [call for call, _ in store.calls] == ["prepare", "prepare"]
    store.error = StoreError("database_unreachable", "gone")
    task = asyncio.create_task(keep_days(store, 0, lambda: NOON_MS))
    await wait_until(lambda: len(store.calls) == 3)
    assert not task.done()
    task.cancel()
