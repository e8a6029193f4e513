"""What has to be looked at now and then, because nothing happens that would bring it about."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import structlog

from haulcast import clock
from haulcast.devices.device_sessions import DeviceSessions
from haulcast.settings import Settings
from haulcast.tracking.loop import TickLoop
from haulcast.tracking.step import HubState

HOLD_SWEEP_S = 1.0
RULE_CLOCK_S = 1.0
FIRST_STEP_S = 3.0  # by then maps that lost their hub are back, and hear what is due since
LOAD_WINDOW_S = 0.5
LATE_S = 0.25  # that frames waited for their step

Chore = Coroutine[Any, Any, None]

log = structlog.get_logger("haulcast.hub")


def chores(settings: Settings, loop: TickLoop, state: HubState, sessions: DeviceSessions) -> Iterator[Chore]:
    """Those of a hub; each goes on for ever."""
    yield _again(partial(_give_up_held, settings.hold_s, loop, state))
    yield _again(partial(_watch_load, loop, sessions))
    yield _again(partial(_watch_time, loop, state))


async def _again(chore: Callable[[], Chore]) -> None:
    """Go on after an error, too; each begins with a pause."""
    while True:
        try:
            await chore()
        except Exception:
            log.exception("chore_failed")


async def _give_up_held(hold_s: float, loop: TickLoop, state: HubState) -> None:
    """Let a step refuse jumps that were held back for too long."""
    while True:
        await asyncio.sleep(HOLD_SWEEP_S)
        if state.track.give_up_held_before(clock.epoch_ms() - int(hold_s * 1000)):
            loop.wake()


async def _watch_load(loop: TickLoop, sessions: DeviceSessions) -> None:
    """Tell the sessions how much of a core this process has used of late; all that there is, when steps come late."""
    cpu_s, wall_s = clock.cpu_s(), clock.monotonic_s()
    while True:
        await asyncio.sleep(LOAD_WINDOW_S)
        before, (cpu_s, wall_s) = (cpu_s, wall_s), (clock.cpu_s(), clock.monotonic_s())
        is_late = loop.take_longest_wait_s() > LATE_S  # others may use the core
        sessions.set_load(1.0 if is_late else (cpu_s - before[0]) / (wall_s - before[1]))


async def _watch_time(loop: TickLoop, state: HubState) -> None:
    """Step when time alone may make a rule fire, since no fix may come; and once soon after the start, for what is due by then."""
    await asyncio.sleep(FIRST_STEP_S)
    loop.wake()
    while True:
        await asyncio.sleep(RULE_CLOCK_S)
        if state.rules.is_waiting or state.routes.is_waiting:
            loop.wake()
