"""What replay and simulate show while they send: a bar on a terminal, a plain line now and then in a pipe."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from haulcast.client import DeviceFleet
from haulcast.client.unacked_fixes import DeviceCounts
from haulcast.clock import monotonic_s

TERMINAL_INTERVAL_S, PIPE_INTERVAL_S = 0.25, 5.0


@dataclass(slots=True)
class Lag:
    """How far the sender is behind its own schedule, seconds; set by who sends."""

    lag_s: float = 0.0


def reasons_text(counts: DeviceCounts) -> str:
    """Rejected fixes by reason, most frequent first; a fix with two reasons stands under both."""
    return ", ".join(f"{name} {count}" for name, count in counts.rejected_by_reason.most_common()) or "none"


def totals_text(fleet: DeviceFleet, elapsed_s: float) -> str:
    """The account of all fixes; the parts add up to what was sent."""
    counts = fleet.counts
    text = (
        f"sent {counts.given} = acked {counts.acked} + rejected {counts.rejected} (by reason: {reasons_text(counts)})"
        f" in {elapsed_s:.1f} s, {counts.given / max(elapsed_s, 1e-9):.0f} fixes/s"
    )
    if fleet.unacked:
        text += f"; {fleet.unacked} undecided"
    if counts.put_off:
        text += f"; put off {counts.put_off} times by the rate limit"
    if counts.dropped or counts.refused_frames:
        text += f"; LOST: {counts.dropped} dropped from full buffers, {counts.refused_frames} frames refused"
    return text


async def show_progress(
    fleet: DeviceFleet, lag: Lag, total: int | None, console: Console, write_line: Callable[[str], object]
) -> None:
    """Show until cancelled.

    Args:
        fleet: whose counts to show.
        lag: the sender's lag.
        total: how many fixes will be sent; None: nobody knows.
        console: where the bar goes when it is a terminal.
        write_line: where plain lines go when it is not.
    """
    rate = _Rate()
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PIPE_INTERVAL_S)
            write_line(_line(fleet, lag, rate))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar: TaskID = progress.add_task("", total=total)
        while True:
            progress.update(bar, completed=fleet.counts.given, description=_line(fleet, lag, rate))
            await asyncio.sleep(TERMINAL_INTERVAL_S)


class _Rate:
    """Fixes settled a second since the last call."""

    def __init__(self) -> None:
        self._at_s, self._settled = monotonic_s(), 0

    def next_per_s(self, settled: int) -> float:
        now_s = monotonic_s()
        per_s = (settled - self._settled) / max(now_s - self._at_s, 1e-9)
        self._at_s, self._settled = now_s, settled
        return per_s


def _line(fleet: DeviceFleet, lag: Lag, rate: _Rate) -> str:
    counts = fleet.counts
    return (
        f"{fleet.connected}/{len(fleet.clients)} connected, sent {counts.given}, acked {counts.acked}, "
        f"rejected {counts.rejected} ({reasons_text(counts)}), {rate.next_per_s(counts.acked + counts.rejected):.0f}/s, "
        f"lag {lag.lag_s:.1f} s"
    )
