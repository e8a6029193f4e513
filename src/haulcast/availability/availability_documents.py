"""Forecasts as they go out, over HTTP and on the live socket."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from haulcast.availability.forecast import Forecast
from haulcast.availability.span_tracker import State

MINUTE_MS: Final = 60_000
NEWS_P: Final = 0.02
"""A probability that has changed by less is no news."""


def state_name(state: int) -> str:
    """`off`, `busy` or `free`."""
    return State(state).name.lower()


def document_of(forecast: Forecast, vehicle: str, horizons_min: Sequence[float], now_ms: int) -> dict[str, Any]:  # fmt: skip
    """What is said of one driver; one that is not in the forecast is as any other of its fleet that nobody has heard of.

    Args:
        forecast: of its fleet.
        vehicle: its id.
        horizons_min: what was asked for, minutes from now.
        now_ms: now.
    """
    number = forecast.number_of(vehicle)
    since_s = max(0.0, now_ms / 1000.0 - forecast.at_s)
    chances = [forecast.at(number, since_s + minutes * 60.0) for minutes in horizons_min]
    return {
        "vehicle": vehicle,
        "state": state_name(State.OFF if number is None else int(forecast.state[number])),
        "basis": forecast.basis_of(number),
        **({} if forecast.version is None else {"model": forecast.version}),
        "made_ms": round(forecast.at_s * 1000),
        "free": None if number is None else _free(forecast, number),
        "horizons": [
            {"minutes": minutes, "p_on_duty": _share(chance.p_on_duty), "p_free": _share(chance.p_free)}
            for minutes, chance in zip(horizons_min, chances, strict=True)
        ],
    }


def _free(forecast: Forecast, number: int) -> dict[str, Any] | None:
    seconds = float(forecast.free_in_s[number])
    if np.isnan(seconds):
        return None
    return {
        "at_ms": round((forecast.at_s + seconds) * 1000),
        "p": round(float(forecast.free_in_p[number]), 3),
    }


def _share(p: float) -> float | None:
    return None if np.isnan(p) else round(p, 4)


class AvailabilityNews:
    """What of a fleet's forecasts is news, so that a driver of whom the same is said again costs nothing."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, str, int, float]] = {}

    def of(self, forecast: Forecast) -> dict[str, bytes]:
        """By vehicle, what is to be told of this one; empty of those that are gone."""
        minute = np.nan_to_num((forecast.at_s + forecast.free_in_s) / 60.0, nan=-1.0).round().astype(np.int64)
        minute[forecast.free_in_s == 0.0] = 0  # it is free: since when is no news
        p = np.nan_to_num(forecast.free_in_p, nan=-1.0)
        said: dict[str, bytes] = {}
        for number, now in enumerate(zip(forecast.state.tolist(), forecast.basis.tolist(), minute.tolist(), p.tolist(), strict=True)):  # fmt: skip
            vehicle = forecast.vehicles[number]
            before = self._told.get(vehicle)
            if before is None or before[:3] != now[:3] or abs(before[3] - now[3]) >= NEWS_P:
                self._told[vehicle] = now
                said[vehicle] = _news(forecast, number)
        if len(self._told) > len(forecast.vehicles):
            for vehicle in self._told.keys() - set(forecast.vehicles):
                del self._told[vehicle]
                said[vehicle] = b""
        return said


def _news(forecast: Forecast, number: int) -> bytes:
    return orjson.dumps(
        {
            "vehicle": forecast.vehicles[number],
            "state": state_name(int(forecast.state[number])),
            "basis": str(forecast.basis[number]),
            "free": _free(forecast, number),
        }
    )
