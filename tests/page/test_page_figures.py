"""The figures of the benchmark `page` leave out when the main thread does not run, and nothing else."""

from typing import Any

import pytest

from benchmarks.page import figures_of

PAGE, OTHER = (7, 1), (7, 2)


def _event(
    name: str, at_ms: float, dur_ms: float = 0, ran_ms: float = 0, place=PAGE, **more: Any
) -> dict[str, Any]:
    timing = {"ts": at_ms * 1000, "dur": dur_ms * 1000, "tdur": ran_ms * 1000}
    return {"name": name, "ph": "X", "pid": place[0], "tid": place[1], "args": {}, **timing, **more}


def test_a_trace_is_counted_task_by_task() -> None:
    """Two frames, one update, another renderer's thread, and a wait for GL within a frame, in one second."""
    named = {"ph": "M", "args": {"name": "CrRendererMain"}}
    events = [
        _event("thread_name", 0, **named),
        _event("thread_name", 0, place=OTHER, **named),
        _event("RunTask", 0, 900, 900, place=OTHER),
        _event("RunTask", 100, 30, 10),  # a frame
        _event("FireAnimationFrame", 101, 27, 7),
        _event("CommandBufferProxyImpl::WaitForGetOffset", 110, 16, 1),
        _event("RunTask", 200, 6, 6),  # another
        _event("FireAnimationFrame", 201, 3, 3),
        _event("RunTask", 300, 12, 12),  # an update
        _event("WebSocketReceive", 301, ph="I"),
        _event("CommandBufferProxyImpl::WaitForToken", 302, 5, 0),  # in no frame
    ]
    found = figures_of(events, 1.0)
    assert found == pytest.approx({
        "main_thread_ms_per_frame": (10 + 6) / 2 + 12 / 60,
        "script_ms_per_frame": (7 + 3) / 2,
        "script_ms_per_update": 12,
        "all_ms_per_drawn_frame": (10 + 6 + 12) / 2,
        "gl_waits_ms_per_frame": 15 / 2,
        "preempted_ms_per_frame": 5 / 2,
        "frames_per_s": 2,
        "updates_per_s": 1,
        "main_thread_share": 0.028,
    })  # fmt: skip
